"""Regions on pictures and on pages: boxes, ellipses, points, polygons, vectors, masks."""
