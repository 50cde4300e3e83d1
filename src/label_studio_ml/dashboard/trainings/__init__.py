"""The trainings on the dashboard: lists, one training, and what people do with them."""
