"""A small builder of TensorIR statements: loops, branches and stores, written in program order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tvm import tirx
from tvm.tirx import BufferLoad, ForKind

F32 = "float32"
LANES = 4  # of a 128-bit NEON register in float32
_TO_READ_FROM_L1 = (0, 3, 1)  # arguments of llvm.prefetch: read, keep, data
LINE = 16  # float32 of a 64-byte cache line; no core here has another
_STACK_BYTES = 1024  # runtime::kMaxStackAlloca


def ramp(start, lanes: int = LANES):
    """The index of `lanes` consecutive elements from `start`."""
    return tirx.Ramp(tirx.convert(start), tirx.const(1, "int32"), lanes)


def splat(value, lanes: int = LANES):
    """`value` in every lane."""
    return tirx.Broadcast(tirx.convert(value), lanes)


def zero():
    return tirx.const(0.0, F32)


class Emitter:
    """Collects statements; `body()` returns them as one."""

    def __init__(self) -> None:
        self._scopes: list[list[tirx.Stmt]] = [[]]

    def body(self) -> tirx.Stmt:
        """What was emitted, as one statement. The emitter is spent."""
        return self._close()

    def emit(self, stmt: tirx.Stmt) -> None:
        self._scopes[-1].append(stmt)

    def store(self, buffer, index, value) -> None:
        self.emit(tirx.BufferStore(buffer, value, [index]))

    def prefetch(self, buffer, index) -> None:
        """Asks for the cache line of an element. It may lie anywhere: a prefetch never faults."""
        address = tirx.address_of(BufferLoad(buffer, [index]))
        arguments = [tirx.const(value, "int32") for value in _TO_READ_FROM_L1]
        call = tirx.call_llvm_intrin("void", "llvm.prefetch", address, *arguments)
        self.emit(tirx.Evaluate(call))

    def bind(self, name: str, value):
        """A scalar variable that holds `value`; constants stay constants."""
        value = tirx.convert(value)
        if isinstance(value, tirx.IntImm):
            return value
        var = tirx.Var(name, "int32")
        self.emit(tirx.Bind(var, value))
        return var

    def bind_opaque(self, name: str, value):
        """The same, through memory that LLVM keeps in a register.

        TVM's simplifier looks into variables: for some divisors it takes minutes over an index
        that is made of such a value.
        """
        value = tirx.convert(value)
        if isinstance(value, tirx.IntImm):
            return value
        buffer = tirx.decl_buffer((1,), "int32", name)
        self.emit(tirx.AllocBuffer(buffer))
        self.store(buffer, 0, value)
        return BufferLoad(buffer, [0])

    def bind_vector(self, name: str, value):
        """The same for a vector of float32."""
        var = tirx.Var(name, f"{F32}x{LANES}")
        self.emit(tirx.Bind(var, value))
        return var

    def alloc(self, name: str, size: int):
        """A flat float32 buffer of `size` elements that lives to the end of the enclosing scope.

        A view of it, so that TVM does not look for a smaller one that would do: then a build may
        leave out the pass that does, see `schedules.building.needless_passes`.
        """
        return self.flat_view(self._allocated(name, size))

    def _allocated(self, name: str, size: int):
        buffer = tirx.decl_buffer((size,), F32, name)
        self.emit(tirx.AllocBuffer(buffer))
        return buffer

    def registers(self, name: str, size: int):
        """The same, small enough that LLVM keeps what is stored there in registers.

        TVM puts a buffer of this size on the stack, where LLVM can see that nothing else reads it.
        A larger one comes from the runtime's workspace, and so does any of scope "local": whatever
        is stored there is really stored.
        """
        assert size * 4 < _STACK_BYTES, f"{name} has {size} elements: too many for the stack"
        return self._allocated(name, size)

    def flat_view(self, buffer):
        """`buffer` seen as one row of elements."""
        size = 1
        for extent in buffer.shape:
            size *= int(extent)
        view = tirx.decl_buffer((size,), F32, f"{buffer.name}_flat")
        self.emit(tirx.DeclBuffer(view, data=tirx.buffer.buffer_data(buffer)))
        return view

    @contextmanager
    def loop(self, extent, name: str, kind: ForKind = ForKind.SERIAL) -> Iterator[tirx.Var]:
        """`for name in range(extent)`. A loop of one turn is not emitted."""
        if isinstance(extent, int) and extent == 1 and kind is not ForKind.PARALLEL:
            yield tirx.const(0, "int32")
            return
        var = tirx.Var(name, "int32")
        self._scopes.append([])
        yield var
        body = self._close()
        self.emit(tirx.For(var, tirx.const(0, "int32"), tirx.convert(extent), kind, body))

    @contextmanager
    def when(self, condition) -> Iterator[None]:
        """`if condition:`."""
        self._scopes.append([])
        yield
        self.emit(tirx.IfThenElse(condition, self._close(), None))

    def copy(self, dst, dst_start, src, src_start, length: int) -> None:
        """`length` consecutive elements, in vectors; the last vector overlaps where it must."""
        if length < LANES:
            with self.loop(length, "i") as i:
                self.store(dst, dst_start + i, BufferLoad(src, [src_start + i]))
            return
        whole, rest = divmod(length, LANES)
        with self.loop(whole, "v") as v:
            self.store(
                dst, ramp(dst_start + v * LANES), BufferLoad(src, [ramp(src_start + v * LANES)])
            )
        if rest:
            at = length - LANES
            self.store(dst, ramp(dst_start + at), BufferLoad(src, [ramp(src_start + at)]))

    def fill_zero(self, dst, start, length: int) -> None:
        """`length` consecutive zeros, in vectors."""
        whole, rest = divmod(length, LANES)
        if whole:
            with self.loop(whole, "v") as v:
                self.store(dst, ramp(start + v * LANES), splat(zero()))
        for i in range(rest):
            self.store(dst, start + whole * LANES + i, zero())

    def _close(self) -> tirx.Stmt:
        stmts = self._scopes.pop()
        return stmts[0] if len(stmts) == 1 else tirx.SeqStmt(stmts)
