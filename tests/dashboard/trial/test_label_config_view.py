"""The label config as the page gets it."""

from label_studio_ml.controls import Controls
from label_studio_ml.dashboard.trial.label_config_view import label_config_view


def test_channels_of_a_time_series() -> None:
    view = label_config_view(
        Controls(
            """<View><TimeSeriesLabels name="label" toName="data"><Label value="A" background="#ff0000"/>
            </TimeSeriesLabels><TimeSeries name="data" value="$data"><Channel column="v" legend="Wave" units="m"/>
            <Channel column="2"/></TimeSeries><Text name="text" value="$text"/></View>"""
        )
    )
    series, text = view["objects"]
    assert series["channels"] == [
        {"column": "v", "legend": "Wave", "units": "m"},
        {"column": "2", "legend": "", "units": ""},
    ]
    assert text["channels"] == []
    assert view["controls"][0]["labels"] == [{"value": "A", "title": "A", "background": "#ff0000"}]
