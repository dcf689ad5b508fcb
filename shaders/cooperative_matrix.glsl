// Cooperative matrices: the invocations of a subgroup hold a matrix together, and multiply in the units that GPUs
// have for it. A (rows x deep, fp16) times B (deep x columns, fp16) is added to sums (rows x columns, fp32); the
// sizes are what the device offers.
//
// Said in the words of SPIR-V, since glslang knows GLSL's own (GL_KHR_cooperative_matrix) from 12.3 on only. Nor
// does it take types or specialisation constants as the operands of a type: cooperative_matrix.py puts them in,
// for the bits of a float and the constant_id's of sizes that stand here.

#pragma use_vulkan_memory_model  // the extension asks for it

layout(constant_id = 7) const uint kMatrixRows = 16u;
layout(constant_id = 8) const uint kMatrixColumns = 16u;
layout(constant_id = 9) const uint kMatrixDeep = 16u;

const uint kFp16 = 16u, kFp32 = 32u;                     // the type of elements, by its bits
const uint kRowsId = 7u, kColumnsId = 8u, kDeepId = 9u;  // sizes, by their constant_id
const uint kSubgroup = 3u;                               // the scope
const uint kUseA = 0u, kUseB = 1u, kUseSum = 2u;

#define COOPERATIVE_MATRIX(bits, rows, columns, use) \
  spirv_type(extensions = ["SPV_KHR_cooperative_matrix"], capabilities = [6022], id = 4456, bits, kSubgroup, rows, \
             columns, use)
#define MatrixA COOPERATIVE_MATRIX(kFp16, kRowsId, kDeepId, kUseA)
#define MatrixB COOPERATIVE_MATRIX(kFp16, kDeepId, kColumnsId, kUseB)
#define MatrixSum COOPERATIVE_MATRIX(kFp32, kRowsId, kColumnsId, kUseSum)

// Loads and stores begin at an element of an array in shared memory, and take `stride` elements of that array
// from row to row, or column to column. What is loaded was written, and what is stored will be read, by other
// invocations of the workgroup: as the operands of memory that say so, kVisible and kAvailable are followed by it.
const uint kRowMajor = 0u, kColumnMajor = 1u;
const uint kVisible = 0x30u, kAvailable = 0x28u, kWorkgroup = 2u;

spirv_instruction(id = 4457) MatrixA load_a(spirv_by_reference f16vec4 from, uint order, uint stride,
                                            spirv_literal uint visible, uint scope);
spirv_instruction(id = 4457) MatrixB load_b(spirv_by_reference f16vec4 from, uint order, uint stride,
                                            spirv_literal uint visible, uint scope);
spirv_instruction(id = 4458) void store(spirv_by_reference vec4 to, MatrixSum sum, uint order, uint stride,
                                        spirv_literal uint available, uint scope);
spirv_instruction(id = 4459) MatrixSum multiply_add(MatrixA a, MatrixB b, MatrixSum sum);
spirv_instruction(id = 80) MatrixSum filled_with(float element);
