"""A small builder of TensorIR statements: loops, branches and stores, written in program order."""

from __future__ import annotations

import itertools
import math
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


def maximum(a, b):
    """The larger one of floats or vectors of them; one instruction on ARM. NaN if one is NaN."""
    return tirx.call_llvm_pure_intrin(str(a.ty.dtype), "llvm.maximum", a, b)


def minimum(a, b):
    """The same of the smaller one."""
    return tirx.call_llvm_pure_intrin(str(a.ty.dtype), "llvm.minimum", a, b)


class Emitter:
    """Collects statements; `body()` returns them as one. A function has one emitter.

    TVM's StorageRewrite gives two buffers of the same size one place where the last use of the one
    and the first of the other are in one loop, if each element is read just before its place is
    written. It does not see the reads through a view, and takes any for such. So a buffer that is
    used through a view has a size that no other buffer of the function has.
    """

    def __init__(self) -> None:
        self._scopes: list[list[tirx.Stmt]] = [[]]
        self._sizes: set[int] = set()
        self._viewed_sizes: set[int] = set()

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
        """A flat float32 buffer that lives to the end of the enclosing scope.

        It has `size` elements or a few more.

        A view of it, so that TVM does not look for a smaller one that would do: then a build may
        leave out the pass that does, see `schedules.building.needless_passes`.
        """
        size = _not_in(self._sizes, size)
        self._viewed_sizes.add(size)
        return self.flat_view(self._allocated(name, (size,)))

    def tensor(self, name: str, shape: tuple[int, ...]):
        """A buffer of `shape`, for views of it. Before all others: it has exactly this size."""
        assert not self._sizes, f"{name} is not the first buffer of its function"
        self._viewed_sizes.add(math.prod(shape))
        return self._allocated(name, shape)

    def _allocated(self, name: str, shape: tuple[int, ...]):
        self._sizes.add(math.prod(shape))
        buffer = tirx.decl_buffer(shape, F32, name)
        self.emit(tirx.AllocBuffer(buffer))
        return buffer

    def registers(self, name: str, size: int):
        """The same, small enough that LLVM keeps what is stored there in registers.

        TVM puts a buffer of this size on the stack, where LLVM can see that nothing else reads it.
        A larger one comes from the runtime's workspace, and so does any of scope "local": whatever
        is stored there is really stored.
        """
        assert size * 4 < _STACK_BYTES, f"{name} has {size} elements: too many for the stack"
        return self._allocated(name, (_not_in(self._viewed_sizes, size),))

    def flat_view(self, buffer):
        """`buffer` seen as one row of elements."""
        size = math.prod(int(extent) for extent in buffer.shape)
        view = tirx.decl_buffer((size,), F32, f"{buffer.name}_flat")
        self.emit(tirx.DeclBuffer(view, data=tirx.buffer.buffer_data(buffer)))
        return view

    def view_from(self, buffer, index):
        """What lies behind an element of flat `buffer`, seen as a buffer of its own.

        The element's address is worked out here, once; LLVM does not take an index of which it
        cannot tell whether it overflows out of a loop.
        """
        pointer = tirx.Var(f"{buffer.name}_at", buffer.data.ty)
        self.emit(tirx.Bind(pointer, tirx.address_of(BufferLoad(buffer, [index]))))
        view = tirx.decl_buffer((buffer.shape[0],), F32, f"{buffer.name}_from", data=pointer)
        self.emit(tirx.DeclBuffer(view, data=pointer))
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


def _not_in(taken: set[int], size: int) -> int:
    """`size`, or the next larger one by lines that is not taken."""
    return next(each for each in itertools.count(size, LINE) if each not in taken)
