"""Each model of the gallery in a real Label Studio: three commands, predictions on the page, training."""
