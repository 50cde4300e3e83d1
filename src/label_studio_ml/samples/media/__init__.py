"""Pictures, recordings, videos and PDF documents as files."""
