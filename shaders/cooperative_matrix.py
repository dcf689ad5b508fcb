"""cooperative_matrix.py IN.spv OUT.spv OUT.h NAME: puts into the types of cooperative matrices what glslang leaves open

cooperative_matrix.glsl says what stands there instead: the bits of a float for its type, and the constant_id of a
specialisation constant for a size. Both are then declared before the first of these types, where SPIR-V wants them.
Names are left out, which glslang's own -g0 fails to do where it does not know all instructions.
"""
import struct
import sys

SOURCE, SOURCE_EXTENSION, NAME, MEMBER_NAME = 3, 4, 5, 6
DECORATE, TYPE_INT, TYPE_FLOAT, CONSTANT, SPEC_CONSTANT, TYPE_MATRIX = 71, 21, 22, 43, 50, 4456
FIRST_TYPE, SPEC_ID = 19, 1

source, binary, header, name = sys.argv[1:]
with open(source, "rb") as file:
    words = [word for (word,) in struct.iter_unpack("<I", file.read())]
begin, rest, code = words[:5], words[5:], []
while rest:
    length = rest[0] >> 16
    code.append(rest[:length])
    rest = rest[length:]


def opcode(instruction):
    return instruction[0] & 0xFFFF


code = [i for i in code if opcode(i) not in (SOURCE, SOURCE_EXTENSION, NAME, MEMBER_NAME)]
numbers = {i[2]: i[3] for i in code if opcode(i) == CONSTANT}
floats = {i[2]: i[1] for i in code if opcode(i) == TYPE_FLOAT}
sizes = {i[3]: i[1] for i in code if opcode(i) == DECORATE and i[2] == SPEC_ID}
for i in code:
    if opcode(i) == TYPE_MATRIX:
        i[2] = floats[numbers[i[2]]]
        i[4], i[5] = sizes[numbers[i[4]]], sizes[numbers[i[5]]]

declared = next(n for n, i in enumerate(code) if opcode(i) == FIRST_TYPE)
order = [{TYPE_INT, TYPE_FLOAT}, {SPEC_CONSTANT}]
early = [i for kinds in order for i in code[declared:] if opcode(i) in kinds]
late = [i for i in code[declared:] if opcode(i) not in set.union(*order)]
words = begin + sum(code[:declared] + early + late, [])

with open(binary, "wb") as file:
    file.write(struct.pack(f"<{len(words)}I", *words))
with open(header, "w", encoding="ascii") as file:
    file.write(f"#pragma once\nconst uint32_t {name}[] = {{{', '.join(map(hex, words))}}};\n")
