"""Writes what a row computes as ONNX (PREFIX.onnx) or for ncnn (PREFIX.ncnn.param, PREFIX.ncnn.bin; one image at a time)."""
import argparse
import json
import os

import torch

import networks
import tensors

parser = argparse.ArgumentParser()
parser.add_argument("--dump", required=True)
parser.add_argument("--work", type=json.loads, required=True)
parser.add_argument("--onnx", help="file to write")
parser.add_argument("--ncnn", help="prefix of the files to write")
args = parser.parse_args()

arrays, _ = tensors.read(args.dump)
module, x, _ = networks.forward_case(args.work, arrays)
module.eval()
if args.onnx:
    torch.onnx.export(module, (x,), args.onnx, dynamo=True, input_names=["input"], output_names=["output"])
if args.ncnn:
    import pnnx

    folder, name = os.path.split(os.path.abspath(args.ncnn))
    os.chdir(folder)  # pnnx writes beside what it is given
    pnnx.export(module, name + ".pt", (x[:1].contiguous(),), fp16=False)
