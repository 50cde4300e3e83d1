"""Typed parameters of a model class, whose values come from Label Studio, the command line or the environment.

    from label_studio_ml.params import Param

    class MyModel(LabelStudioMLBase):
        params = {"threshold": Param(0.5, "keep what is surer than this", ge=0, le=1)}

        def predict(self, tasks, **kwargs):
            ... self.params.threshold ...

A class declares its parameters in the attribute `params`; each of its models has their values in `self.params`.
"""

from label_studio_ml.params.param import Param, Params

__all__ = ["Param", "Params"]
