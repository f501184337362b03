from tersevec._kernels import (
    F32,
    HammingKernels,
    PqencodeKernels,
    PqscanKernels,
    SparseprojKernels,
    SymdistKernels,
)

hamming: HammingKernels
pqencode: PqencodeKernels
pqscan: PqscanKernels
sparseproj: SparseprojKernels
symdist: SymdistKernels

def first_beyond(x: F32, limit: float) -> int: ...
def isa_levels() -> list[str]: ...
def isa_runnable() -> list[str]: ...
def isa_active() -> str: ...
