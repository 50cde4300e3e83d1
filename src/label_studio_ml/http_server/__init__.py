"""The HTTP/1.1 server. It knows nothing of Label Studio: it passes `Call` objects to a handler."""
