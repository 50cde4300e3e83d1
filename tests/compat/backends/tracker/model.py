"""Tracks a box through a video: in one call, or in a thread whose frames the page asks for. State is the module's."""

import os
import tempfile
import threading
from typing import Any, Dict, List, Optional

from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from label_studio_sdk.label_interface.objects import PredictionValue

WINDOW = int(os.getenv("TRACKER_WINDOW", "1"))
HELD = bool(os.getenv("TRACKER_HELD"))  # frames after the first one come once a `predict` says `go_on`

_studio: Dict[str, Any] = {}
_sessions: Dict[str, "Session"] = {}
_state_key, _state = "", None


class Session:
    def __init__(self, total):
        self.total, self.frames, self.given, self.cancelled = total, [], 0, False
        self.polls = 0
        self.changed = threading.Condition()

    def run(self, go_on):
        for frame in range(self.total):
            if frame == 1:
                go_on.wait(60)
            with self.changed:
                if self.cancelled:
                    break
                self.frames.append(frame)
                self.changed.notify_all()

    def cancel(self):
        with self.changed:
            self.cancelled = True
            self.changed.notify_all()

    def take(self, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.given < len(self.frames) or self.cancelled, seconds)
            new, self.given = self.frames[self.given :], len(self.frames)
        return new


_go_on = threading.Event()


def remember_studio():
    from flask import has_request_context, request

    if has_request_context():
        body = request.get_json(silent=True) or {}
        _studio.update({name: body[name] for name in ("hostname", "access_token") if body.get(name)})


def inference_state(path):
    global _state_key, _state
    if _state_key != path:
        _state_key, _state = path, {"made": path}
    return _state


class Tracker(LabelStudioMLBase):
    def setup(self):
        remember_studio()

    def predict(self, tasks: List[Dict], context: Optional[Dict] = None, **kwargs) -> ModelResponse:
        event = (context or {}).get("event")
        if event == "capabilities":
            return self.say("capabilities", {"prompts": ["box"], "model_info": {"window": WINDOW}}, {})
        from_name, to_name, value = self.get_first_tag_occurence("VideoRectangle", "Video")
        names = {"from_name": from_name, "to_name": to_name}
        if event == "prewarm":
            return self.say("prewarm_ack", {"status": "ok", "host": _studio["hostname"]}, names)
        if event == "track":
            session = _sessions[str(tasks[0]["id"])] = Session(WINDOW)
            threading.Thread(target=session.run, args=(_go_on,), daemon=True).start()
            about = {"total_frames": session.total, "process": os.getpid()}
            return self.say("track_started", about, names)
        if event == "track_progress":
            return self.progress(_sessions.get(str(tasks[0]["id"])), names)
        if event == "track_cancel":
            if session := _sessions.pop(str(tasks[0]["id"]), None):
                session.cancel()
            if not HELD:
                _go_on.set()
            return self.say("track_cancel_ack", {"status": "cancelled"}, names)
        if event == "release":
            _sessions.pop(str(tasks[0]["id"]), None)
            return self.say("release_ack", {"status": "released", "process": os.getpid()}, names)
        if event == "predict":
            if context.get("go_on"):
                _go_on.set()
            session = _sessions.get(str(tasks[0]["id"]))
            about = {"process": os.getpid(), "polls": session.polls if session else 0}
            return self.say("predicted", about, names)
        if not (context or {}).get("result"):
            return ModelResponse(predictions=[])
        return self.track(tasks[0], value, context["result"][0])

    def progress(self, session, names):
        if session is None:
            return self.say("track_progress", {"error": "session not found", "done": True}, names)
        session.polls += 1
        new = session.take(60)
        session.polls -= 1
        done = len(session.frames) == session.total
        if not HELD:
            _go_on.set()
        return self.say("track_progress", {"frames": new, "done": done, "process": os.getpid()}, names)

    def say(self, kind, value, names):
        region = {"id": kind, **names, "type": kind, "origin": "manual", "value": value}
        return ModelResponse(predictions=[PredictionValue(result=[region])])

    def track(self, task, value, box):
        path = self.get_local_path(task["data"][value], task_id=task["id"])
        with tempfile.TemporaryDirectory() as folder:
            frames = []
            for number in range(os.path.getsize(path) // 10):
                frames.append(os.path.join(folder, f"{number:05d}.jpg"))
                open(frames[-1], "wb").close()
            state = inference_state(folder)
            first = box["value"]["sequence"][0]
            sequence = [
                {**first, "frame": first["frame"] + number} for number in range(1, len(os.listdir(folder)))
            ]
            assert state == {"made": folder}
        return ModelResponse(
            predictions=[
                PredictionValue(
                    result=[
                        {
                            "value": {
                                "framesCount": len(frames),
                                "sequence": box["value"]["sequence"] + sequence,
                            },
                            "from_name": "box",
                            "to_name": "video",
                            "type": "videorectangle",
                            "origin": "manual",
                            "id": box["id"],
                        }
                    ]
                )
            ]
        )
