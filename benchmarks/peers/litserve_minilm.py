"""LitServe with MiniLM: `python litserve_minilm.py PORT`. It waits up to 10 ms for a full batch."""

import sys

import litserve
from embedder import MAX_BATCH, Embedder

LABELS = ("sport", "politics", "science", "music", "travel")


class MiniLM(litserve.LitAPI):
    """One topic for the one text of a request."""

    def setup(self, device):
        self.embedder = Embedder(len(LABELS))

    def decode_request(self, request):
        return request["tasks"][0]["data"]["text"]

    def batch(self, inputs):
        return inputs

    def predict(self, batch):
        return self.embedder.classify(batch)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        label, score = output
        region = {
            "from_name": "topic",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": [LABELS[label]]},
        }
        return {"results": [{"result": [region], "score": score}]}


if __name__ == "__main__":
    api = MiniLM(max_batch_size=MAX_BATCH, batch_timeout=0.01, api_path="/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=100)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
