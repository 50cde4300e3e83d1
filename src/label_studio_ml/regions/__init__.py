"""From a model's output to Label Studio's regions, and back."""
