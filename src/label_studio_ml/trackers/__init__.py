"""Log trainings to MLflow, Weights & Biases and TensorBoard, each in a process of its own beside the training."""
