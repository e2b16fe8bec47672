"""The type `wit-value` of `golem:rpc/types`, so that node lists have a JSON of their own."""

from typing import Final

from wit.types import (
    Case,
    EnumType,
    Field,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    VariantType,
)

__all__ = ["WIT_TYPE", "WIT_VALUE", "WIT_VALUES"]

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

_NAMES: Final = ListType(Primitive.STRING)
_TYPE_NODE: Final = VariantType(
    (
        Case("record-type", ListType(TupleType((Primitive.STRING, _INDEX)))),
        Case("variant-type", ListType(TupleType((Primitive.STRING, OptionType(_INDEX))))),
        Case("enum-type", _NAMES),
        Case("flags-type", _NAMES),
        Case("tuple-type", _INDICES),
        Case("list-type", _INDEX),
        Case("option-type", _INDEX),
        Case("result-type", TupleType((OptionType(_INDEX), OptionType(_INDEX)))),
        *(
            Case(f"prim-{name}-type")
            for name in (
                *("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64"),
                *("f32", "f64", "char", "bool", "string"),
            )
        ),
        Case("handle-type", TupleType((Primitive.U64, EnumType(("owned", "borrowed"))))),
    )
)

WIT_TYPE: Final = RecordType((Field("nodes", ListType(_TYPE_NODE)),))
