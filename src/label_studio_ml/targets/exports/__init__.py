"""Exports of targets: COCO and YOLO folders, CoNLL files, Hugging Face datasets, data frames and arrays.

A module for each format. Nothing of it is imported before the format is asked for.
"""
