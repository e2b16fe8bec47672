"""The type `wit-value` of `golem:rpc/types`, so that node lists have a JSON of their own."""

from typing import Final

from wit.types import (
    Case,
    Field,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    VariantType,
)

__all__ = ["WIT_VALUE", "WIT_VALUES"]

_INDEX: Final = Primitive.S32
_INDICES: Final = ListType(_INDEX)
_URI: Final = RecordType((Field("value", Primitive.STRING),))
_NODE: Final = VariantType(
    (
        Case("record-value", _INDICES),
        Case("variant-value", TupleType((Primitive.U32, OptionType(_INDEX)))),
        Case("enum-value", Primitive.U32),
        Case("flags-value", ListType(Primitive.BOOL)),
        Case("tuple-value", _INDICES),
        Case("list-value", _INDICES),
        Case("option-value", OptionType(_INDEX)),
        Case("result-value", ResultType(OptionType(_INDEX), OptionType(_INDEX))),
        Case("prim-u8", Primitive.U8),
        Case("prim-u16", Primitive.U16),
        Case("prim-u32", Primitive.U32),
        Case("prim-u64", Primitive.U64),
        Case("prim-s8", Primitive.S8),
        Case("prim-s16", Primitive.S16),
        Case("prim-s32", Primitive.S32),
        Case("prim-s64", Primitive.S64),
        Case("prim-float32", Primitive.F32),
        Case("prim-float64", Primitive.F64),
        Case("prim-char", Primitive.CHAR),
        Case("prim-bool", Primitive.BOOL),
        Case("prim-string", Primitive.STRING),
        Case("handle", TupleType((_URI, Primitive.U64))),
    )
)

WIT_VALUE: Final = RecordType((Field("nodes", ListType(_NODE)),))
WIT_VALUES: Final = ListType(WIT_VALUE)
