"""LitServe with the dummy model, merging up to 64 requests: `python litserve_dummy.py PORT`."""

import sys

import litserve
from floor import predict


class FirstLabel(litserve.LitAPI):
    """The dummy model. LitServe merges requests; each may hold several tasks."""

    def setup(self, device):
        pass

    def decode_request(self, request):
        return request["tasks"]

    def predict(self, batch):
        answers = predict([task for tasks in batch for task in tasks])
        split = []
        for tasks in batch:
            split.append(answers[: len(tasks)])
            answers = answers[len(tasks) :]
        return split

    def encode_response(self, output):
        return {"results": output}


if __name__ == "__main__":
    api = FirstLabel(max_batch_size=64, batch_timeout=0.0, api_path="/predict")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=100)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
