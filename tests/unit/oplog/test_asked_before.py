"""Keys of attempts that are done again."""

from msgspec import Raw

from oplog.asked_before import AskedBefore, call_question, request_question
from oplog.attempts import Cut
from oplog.entries import BeginAtomicRegion, ImportedFunctionInvoked, Jump, RemoteCall
from oplog.plan import NOTHING_SKIPPED, plan_of

CUT = Cut(2, BeginAtomicRegion())
ONE = Raw(b"[1]")


def call(key, *, worker="w", function="add", params=ONE):
    asks = RemoteCall(component="c", worker=worker, function=function, key=key)
    return ImportedFunctionInvoked(
        function="golem:rpc/types#call",
        kind="write-remote",
        request=params,
        response=Raw(b"null"),
        asks=asks,
    )


def request(key, content=b'"a"'):
    return ImportedFunctionInvoked(
        function="wasi:http/outgoing-handler#handle.key",
        kind="write-remote-batched",
        request=Raw(content),
        response=Raw(b'"%b"' % key.encode()),
    )


def asked(entry):
    return call_question(entry.asks, entry.request)


def known_after(entries, *, plan=NOTHING_SKIPPED, cut=CUT):
    known = AskedBefore()
    for index, entry in entries:
        known.apply(index, entry)
    known.settle(plan, cut)
    return known


def test_what_lies_behind_the_cut_is_asked_under_its_keys_in_order():
    known = known_after([(3, call("k3")), (4, call("k4")), (5, request("k5"))])
    question = asked(call("new"))
    assert [known.take(question) for _ in range(3)] == ["k3", "k4", None]
    asked_again = request_question("wasi:http/outgoing-handler#handle.key", Raw(b'"a"'))
    assert known.take(asked_again) == "k5"


def test_another_question_has_no_key():
    known = known_after([(3, call("k3")), (4, request("k4"))])
    for other in (
        call("n", worker="x"),
        call("n", function="get"),
        call("n", params=Raw(b"[2]")),
    ):
        assert known.take(asked(other)) is None
    name = "wasi:http/outgoing-handler#handle.key"
    assert known.take(request_question(name, Raw(b'"b"'))) is None


def test_what_lies_before_the_cut_counts_and_is_not_asked_again():
    known = known_after([(1, call("k1")), (3, call("k3"))])
    assert [known.take(asked(call("n"))) for _ in range(2)] == ["k3", None]


def test_without_a_cut_there_is_nothing_to_do_again():
    assert known_after([(3, call("k3"))], cut=None).take(asked(call("n"))) is None


def test_an_attempt_that_was_left_out_by_a_retry_is_remembered_until_it_is_asked_again():
    # The second attempt, of which 7 is left, asked the first question under its old key.
    plan = plan_of([(5, Jump(start=3, end=4, retry=True))])
    entries = [(3, call("k3")), (4, call("k4")), (7, call("k3"))]
    torn = known_after(entries, plan=plan)
    assert [torn.take(asked(call("n"))) for _ in range(3)] == ["k3", "k4", None]
    whole = known_after(entries, plan=plan, cut=None)
    assert [whole.take(asked(call("n"))) for _ in range(2)] == ["k4", None]


def test_what_a_guest_went_back_over_on_purpose_is_asked_anew():
    plan = plan_of([(5, Jump(start=3, end=4))])
    entries = [(3, call("k3")), (4, call("k4")), (6, call("k6"))]
    known = known_after(entries, plan=plan)
    assert [known.take(asked(call("n"))) for _ in range(2)] == ["k6", None]


def test_workers_that_were_named_after_their_key_are_the_same_question():
    known = known_after([(3, call("k3", worker="k3"))])
    assert known.take(asked(call("new", worker="new"))) == "k3"


def test_the_next_invocation_knows_nothing_of_it():
    known = AskedBefore()
    known.apply(3, call("k3"))
    known.begins()
    known.settle(NOTHING_SKIPPED, CUT)
    assert known.take(asked(call("n"))) is None
