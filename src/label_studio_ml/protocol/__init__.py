"""Data formats of Label Studio: requests, label configs, predictions and the payloads of webhooks."""
