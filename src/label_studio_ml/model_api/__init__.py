"""Parts of the model base class: context, registered functions, API generation, `init_app` arguments."""
