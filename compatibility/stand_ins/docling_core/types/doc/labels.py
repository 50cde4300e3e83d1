"""Labels of items."""

import enum

_NAMES = (
    "title section_header paragraph text list_item table picture chart formula code caption footnote page_header "
    "page_footer document_index form key_value_region checkbox_selected checkbox_unselected grading_scale "
    "handwritten_text field_key field_value field_heading field_hint empty_value reference marker"
)

DocItemLabel = enum.Enum("DocItemLabel", {name.upper(): name for name in _NAMES.split()})
