"""Another application beside the backend: it takes webhooks of its own."""

from flask import Flask, jsonify, request

application = Flask(__name__)


@application.route("/health", methods=["GET"])
def health():
    return jsonify({"status": "UP", "what": "data"})


@application.route("/upload", methods=["POST"])
def upload():
    return jsonify({"stored": request.json["task"]["id"]})
