package safetensors

// The data types that are read and written, and the bytes of one element.
const (
	BOOL = "BOOL"
	U8   = "U8"
	I8   = "I8"
	I16  = "I16"
	U16  = "U16"
	F16  = "F16"
	BF16 = "BF16"
	I32  = "I32"
	U32  = "U32"
	F32  = "F32"
	F64  = "F64"
	I64  = "I64"
	U64  = "U64"
)

// elementSize returns the bytes of one element of a data type, 0 when it is unknown.
func elementSize(dtype string) int {
	switch dtype {
	case BOOL, U8, I8:
		return 1
	case I16, U16, F16, BF16:
		return 2
	case I32, U32, F32:
		return 4
	case F64, I64, U64:
		return 8
	}
	return 0
}
