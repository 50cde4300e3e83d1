"""Builders."""

import numpy as np
import torch


def build_sam2(config, checkpoint, device="cpu", **kwargs):
    return "model"


class _VideoPredictor:
    """Tracks every object as a square that moves by a pixel in each frame."""

    def init_state(self, video_path, **kwargs):
        return {"objects": []}

    def reset_state(self, state):
        state["objects"] = []

    def add_new_points(self, inference_state, frame_idx, obj_id, points=None, labels=None, box=None):
        inference_state["objects"].append(obj_id)
        return frame_idx, inference_state["objects"], [self._mask(frame_idx)]

    add_new_points_or_box = add_new_points

    def propagate_in_video(self, inference_state, start_frame_idx=0, max_frame_num_to_track=1, reverse=False):
        objects = sorted(set(inference_state["objects"]))
        for count in range(max_frame_num_to_track + 1):
            frame = start_frame_idx - count if reverse else start_frame_idx + count
            if frame < 0:
                return
            yield frame, objects, [self._mask(frame) for _ in objects]

    def _mask(self, frame):
        mask = np.full((1, 48, 64), -1.0)
        mask[:, 10:20, 10 + frame : 20 + frame] = 1.0
        return torch.as_tensor(mask)


def build_sam2_video_predictor(config, checkpoint, **kwargs):
    return _VideoPredictor()
