// Where an invocation stands. The grid is one-dimensional; the host folds it where it has too many workgroups
// for one dimension, and what lies beyond the last one leaves at once.

layout(local_size_x_id = 0) in;

uint group() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
uint lane() { return gl_LocalInvocationID.x; }
uint lanes() { return gl_WorkGroupSize.x; }
uint invocation() { return group() * lanes() + lane(); }
