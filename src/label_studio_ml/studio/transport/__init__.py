"""HTTP requests to Label Studio and to file servers, with tokens, redirects and retries."""
