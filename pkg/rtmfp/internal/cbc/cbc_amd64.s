//go:build !purego

#include "textflag.h"

// One round of all lanes. Between two rounds of one lane the processor works on the others.
#define ROUND(n) \
	VAESENC n(R8), X0, X0 \
	VAESENC n(R9), X1, X1 \
	VAESENC n(R10), X2, X2 \
	VAESENC n(R11), X3, X3

// func encrypt(lanes *[4]lane, chain *[4][16]byte, n int)
TEXT ·encrypt(SB), NOSPLIT, $0-24
	MOVQ lanes+0(FP), AX
	MOVQ chain+8(FP), BX
	MOVQ n+16(FP), CX
	MOVQ 0(AX), R8
	MOVQ 8(AX), SI
	MOVQ 16(AX), R9
	MOVQ 24(AX), DI
	MOVQ 32(AX), R10
	MOVQ 40(AX), R12
	MOVQ 48(AX), R11
	MOVQ 56(AX), R13
	VMOVDQU 0(BX), X0
	VMOVDQU 16(BX), X1
	VMOVDQU 32(BX), X2
	VMOVDQU 48(BX), X3
	XORQ DX, DX
	TESTQ CX, CX
	JZ   done

loop:
	VPXOR (SI)(DX*1), X0, X0
	VPXOR (DI)(DX*1), X1, X1
	VPXOR (R12)(DX*1), X2, X2
	VPXOR (R13)(DX*1), X3, X3
	VPXOR (R8), X0, X0
	VPXOR (R9), X1, X1
	VPXOR (R10), X2, X2
	VPXOR (R11), X3, X3
	ROUND(16)
	ROUND(32)
	ROUND(48)
	ROUND(64)
	ROUND(80)
	ROUND(96)
	ROUND(112)
	ROUND(128)
	ROUND(144)
	VAESENCLAST 160(R8), X0, X0
	VAESENCLAST 160(R9), X1, X1
	VAESENCLAST 160(R10), X2, X2
	VAESENCLAST 160(R11), X3, X3
	VMOVDQU X0, (SI)(DX*1)
	VMOVDQU X1, (DI)(DX*1)
	VMOVDQU X2, (R12)(DX*1)
	VMOVDQU X3, (R13)(DX*1)
	ADDQ $16, DX
	DECQ CX
	JNZ  loop

done:
	VMOVDQU X0, 0(BX)
	VMOVDQU X1, 16(BX)
	VMOVDQU X2, 32(BX)
	VMOVDQU X3, 48(BX)
	RET

#define EXPAND(rcon, n) \
	VAESKEYGENASSIST $rcon, X0, X1 \
	VPSHUFD $0xff, X1, X1 \
	VPSLLDQ $4, X0, X2 \
	VPXOR X2, X0, X0 \
	VPSLLDQ $4, X2, X2 \
	VPXOR X2, X0, X0 \
	VPSLLDQ $4, X2, X2 \
	VPXOR X2, X0, X0 \
	VPXOR X1, X0, X0 \
	VMOVDQU X0, n(BX)

// func expand(key *[16]byte, schedule *[176]byte)
TEXT ·expand(SB), NOSPLIT, $0-16
	MOVQ key+0(FP), AX
	MOVQ schedule+8(FP), BX
	VMOVDQU (AX), X0
	VMOVDQU X0, (BX)
	EXPAND(0x01, 16)
	EXPAND(0x02, 32)
	EXPAND(0x04, 48)
	EXPAND(0x08, 64)
	EXPAND(0x10, 80)
	EXPAND(0x20, 96)
	EXPAND(0x40, 112)
	EXPAND(0x80, 128)
	EXPAND(0x1b, 144)
	EXPAND(0x36, 160)
	RET
