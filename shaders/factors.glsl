// The factors of products, as shared memory and copies of operands hold them: f32, or, where this is compiled
// with HALF, fp16, rounded to nearest on all drivers seen. The product of two fp16 is exact in f32, the type of
// the sums. To be included first.

#ifdef HALF
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define Factor float16_t
#define Factors f16vec4
#else
#define Factor float
#define Factors vec4
#endif
