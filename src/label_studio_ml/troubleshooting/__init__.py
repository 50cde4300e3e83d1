"""What each error's code means, why the error happens and what to do about it; the search of entries by words.

`entries/*.md` have the texts, `label-studio-ml explain` and the documentation site show them.
"""
