"""A stand-in for datasets: rows in a list."""


class _Feature:
    def __init__(self, *args, **kwargs):
        self.names = kwargs.get("names", [])


Value = Sequence = ClassLabel = _Feature


class Features(dict):
    pass


class Dataset:
    def __init__(self, rows):
        self.rows = rows

    @classmethod
    def from_dict(cls, columns):
        return cls([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])

    @classmethod
    def from_list(cls, rows, features=None):
        return cls(list(rows))

    def map(self, function, batched=False, **kwargs):
        if not batched:
            return Dataset([{**row, **function(row)} for row in self.rows])
        names = self.rows[0] if self.rows else ()
        changed = function({name: [row[name] for row in self.rows] for name in names})
        return Dataset(
            [{**row, **{name: changed[name][i] for name in changed}} for i, row in enumerate(self.rows)]
        )

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]
