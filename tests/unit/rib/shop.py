"""The components that the cases call, and a port that answers like them."""

from rib import Resource, ResourceDrop, WorkerCall
from wit.types import (
    Borrow,
    Case,
    EnumType,
    Field,
    FunctionType,
    ListType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    TypeName,
    VariantType,
)
from wit.world import Function, Interface, NamedType, World

STRING, U32, U64, F32 = Primitive.STRING, Primitive.U32, Primitive.U64, Primitive.F32
ORDERS, ADMIN, CLOCK = "acme:store/orders", "acme:store/admin", "acme:clock/mono"

LINE = RecordType(
    (Field("sku", STRING), Field("title", STRING), Field("cost", F32), Field("qty", U32)),
    TypeName("line", ORDERS),
)
RECEIPT = RecordType((Field("id", STRING),), TypeName("receipt", ORDERS))
VERDICT = VariantType(
    (Case("fine", RECEIPT), Case("refused", STRING), Case("unknown")), TypeName("verdict", ORDERS)
)
COLOUR = EnumType(("red", "green", "blue"), TypeName("colour", ORDERS))
BASKET = ResourceName("basket", ORDERS)


def function(interface, name, result=None, /, **parameters):
    typed = tuple(Parameter(key.replace("_", "-"), type_) for key, type_ in parameters.items())
    return Function(name, FunctionType(typed, result), interface)


SELF = {"self": Borrow(BASKET)}
SHOP = World(
    export_interfaces=(
        Interface(
            ORDERS,
            (
                function(ORDERS, "price-of", U64, sku=STRING),
                function(ORDERS, "twice", U64, n=U32),
                function(ORDERS, "ping", STRING, s=STRING),
                function(ORDERS, "tick", STRING, s=STRING),
                function(ORDERS, "put", STRING, item=LINE),
                function(ORDERS, "outcome", VERDICT),
                function(ORDERS, "paint", STRING, c=COLOUR),
                function(ORDERS, "fetch", ResultType(U64, STRING), id=U64),
                function(ORDERS, "judge", STRING, v=VERDICT),
                function(ORDERS, "log", None, text=STRING),
                function(ORDERS, "open", Own(BASKET), owner=STRING),
                function(ORDERS, "[constructor]basket", Own(BASKET), owner=STRING),
                function(ORDERS, "[method]basket.add", None, **SELF, item=LINE),
                function(ORDERS, "[method]basket.drop-item", None, **SELF, sku=STRING),
                function(ORDERS, "[method]basket.change", None, **SELF, sku=STRING, n=U32),
                function(ORDERS, "[method]basket.list-items", ListType(LINE), **SELF),
                function(ORDERS, "[method]basket.pay", VERDICT, **SELF),
                function(ORDERS, "[static]basket.count", U64),
            ),
            tuple(NamedType(type_.name.name, type_) for type_ in (LINE, RECEIPT, VERDICT, COLOUR)),
            ("basket",),
        ),
        Interface(ADMIN, (function(ADMIN, "ping", STRING, s=STRING),)),
        Interface(
            CLOCK,
            (
                function(CLOCK, "tick", STRING, s=STRING),
                function(CLOCK, "only-here", STRING, s=STRING),
            ),
        ),
    )
)
COMPONENTS = {"shop": SHOP}

ANSWERS = {
    "price-of": 7,
    "outcome": ("fine", {"id": "r-1"}),
    "fetch": ("ok", 5),
    "[method]basket.list-items": [],
    "[method]basket.pay": ("refused", "no money"),
    "[static]basket.count": 2,
    "open": "handle-1",
    "log": None,
    "[method]basket.add": None,
}


class Echo:
    """Remembers what was said to it: `worker function (arguments)`; answers with fixed values."""

    def __init__(self, **answers):
        self.said = []
        self.calls = []
        self.answers = {**ANSWERS, **answers}

    async def call(self, call: WorkerCall, /):
        self.calls.append(call)
        worker = "handle" if call.worker is None else call.worker.name
        if call.worker is not None and call.worker.name is None:
            worker = f"#{call.worker.ordinal}"
        self.said.append((worker, call.name(), *call.arguments))
        answer = self.answers.get(call.function.name)
        if isinstance(answer, Exception):
            raise answer
        if call.function.name == "twice":
            return call.arguments[0] * 2
        if answer is None and call.function.type.result is STRING:
            return f"{worker} {call.function.name}"
        return answer

    async def drop(self, drop: ResourceDrop, /):
        worker = drop.resource.worker.name if isinstance(drop.resource, Resource) else "handle"
        self.said.append((worker, drop.name()))
