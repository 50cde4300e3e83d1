"""Data sets and loaders."""

from torch import stack
from torch.utils.data.dataset import Dataset


class TensorDataset(Dataset):
    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)


class SequentialSampler:
    def __init__(self, dataset):
        self.dataset = dataset


RandomSampler = SequentialSampler  # nothing is random here


class DataLoader:
    def __init__(self, dataset, batch_size=1, **kwargs):
        self.dataset, self.batch_size = dataset, batch_size

    def __iter__(self):
        for begin in range(0, len(self.dataset), self.batch_size):
            rows = [
                self.dataset[index] for index in range(begin, min(len(self.dataset), begin + self.batch_size))
            ]
            yield tuple(stack(column) for column in zip(*rows, strict=True))

    def __len__(self):
        return -(-len(self.dataset) // self.batch_size)
