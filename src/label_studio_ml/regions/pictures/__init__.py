"""Regions on pictures: boxes, ellipses, points, polygons, masks; and tracks of boxes in videos."""
