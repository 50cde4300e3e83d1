"""The OpenAPI document of the server's calls, made from the declarations of their routes."""
