"""Label Studio's calls: what each one means, and the faces that web servers see."""
