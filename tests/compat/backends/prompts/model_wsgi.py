import argparse
import os

from label_studio_ml.api import init_app
from model import Prompts

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", "--port", type=int, default=9090)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--basic-auth-user", default=os.environ.get("ML_SERVER_BASIC_AUTH_USER"))
    parser.add_argument("--basic-auth-pass", default=os.environ.get("ML_SERVER_BASIC_AUTH_PASS"))
    args = parser.parse_args()
    application = init_app(
        model_class=Prompts, basic_auth_user=args.basic_auth_user, basic_auth_pass=args.basic_auth_pass
    )
    application.run(host=args.host, port=args.port)
else:
    application = init_app(model_class=Prompts)
