"""What `tapeline recognize` does, as one would write it with PyTorch: a data loader that decodes and normalises, a batch of 32
through the network, the best path and its probability. Prints path, text and confidence."""
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import networks
import tensors

HEIGHT, WIDTH, BATCH = 32, 100, 32


class Pictures(Dataset):
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        grey = np.asarray(Image.open(self.paths[index]).convert("L"), np.float32)
        if grey.shape != (HEIGHT, WIDTH):
            raise SystemExit(f"{self.paths[index]}: this script takes pictures of {WIDTH}x{HEIGHT} only")
        return index, torch.from_numpy((grey - grey.mean()) / max(grey.std(), 1.0))[None]


def collapse(path):
    return [c for i, c in enumerate(path) if c and (i == 0 or c != path[i - 1])]


def main(model, threads, workers, paths):
    torch.set_num_threads(threads)
    arrays, metadata = tensors.read(model)
    network = networks.network("crnn-body", networks.torch_tensors(arrays)).eval().to(memory_format=torch.channels_last)
    charset = metadata["charset"]
    with torch.inference_mode():
        for which, images in DataLoader(Pictures(paths), BATCH, num_workers=workers):
            log_probabilities = F.log_softmax(network(images.to(memory_format=torch.channels_last)), -1)
            labels = [collapse(path) for path in log_probabilities.argmax(-1).tolist()]
            lengths = [len(label) for label in labels]
            frames = torch.full((len(labels),), log_probabilities.shape[1])
            targets = torch.tensor([c for label in labels for c in label], dtype=torch.long)
            losses = F.ctc_loss(log_probabilities.transpose(0, 1), targets, frames, torch.tensor(lengths), reduction="none")
            for index, label, confidence in zip(which.tolist(), labels, torch.exp(-losses).tolist()):
                print(f"{paths[index]}\t{''.join(charset[c - 1] for c in label)}\t{confidence:.4f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
