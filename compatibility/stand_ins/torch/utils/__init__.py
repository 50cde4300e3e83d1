"""Packages of torch.utils."""
