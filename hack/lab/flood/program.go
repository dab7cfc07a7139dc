package flood

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// XDP's verdicts, and its context's pointers to a frame's begin and end (linux/bpf.h).
const (
	xdpAborted = 0
	dataAt     = 0
	dataEndAt  = 4
)

// The lengths of a frame: at least Ethernet's header, at most half a page.
const (
	leastFrame = 14
	mostFrame  = 2048
)

func (k Kind) check() error {
	if len(k.Frame) < leastFrame || len(k.Frame) > mostFrame || len(k.Frame)%2 != 0 {
		return fmt.Errorf("a frame of %d bytes: expected %d to %d, an even number", len(k.Frame), leastFrame, mostFrame)
	}
	for _, d := range k.Draws {
		if err := d.check(k.Frame); err != nil {
			return err
		}
	}
	return nil
}

func (d Draw) check(frame []byte) error {
	for _, at := range slices.Concat(d.Complement, []int{d.Word}) {
		if at < 0 || at%2 != 0 || at+2 > len(frame) {
			return fmt.Errorf("a word at %d of %d bytes: expected an even place", at, len(frame))
		}
	}
	if binary.BigEndian.Uint16(frame[d.Word:]) != 0 {
		return fmt.Errorf("the word at %d, which is drawn, is not 0", d.Word)
	}
	for _, at := range d.Complement {
		if binary.BigEndian.Uint16(frame[at:]) != 0xffff {
			return fmt.Errorf("the word at %d, which is a complement, is not 0xffff", at)
		}
	}
	return nil
}

// A shot is a kind's program, and the number of frames that it has sent.
type shot struct {
	kind    Kind
	program *ebpf.Program
	count   *ebpf.Map
}

// newShot makes the program that turns a frame into the next of its kind and sends it through an interface.
func newShot(k Kind, ifindex int) (*shot, error) {
	count, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, fmt.Errorf("make the counter: %w", err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "flood", Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", Instructions: k.instructions(count.FD(), ifindex),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load the program for %s: %w", k.Name, err), count.Close())
	}
	return &shot{k, p, count}, nil
}

func (s *shot) close() error { return errors.Join(s.program.Close(), s.count.Close()) }

func (s *shot) sent() (n uint64, err error) {
	err = s.count.Lookup(uint32(0), &n)
	return n, err
}

// instructions write the frame, each time anew because it may come back as a host left it, count it, and redirect it. Registers: R6 is where
// the frame begins, R7 the random number.
func (k Kind) instructions(counter, ifindex int) asm.Instructions {
	code := asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, dataAt, asm.Word),
		asm.LoadMem(asm.R2, asm.R1, dataEndAt, asm.Word),
		asm.Mov.Reg(asm.R3, asm.R6),
		asm.Add.Imm(asm.R3, int32(len(k.Frame))),
		asm.JGT.Reg(asm.R3, asm.R2, "short"),
	}
	// By words of two bytes, which is how an IP header after Ethernet's 14 bytes is aligned for the verifier.
	for at := 0; at+2 <= len(k.Frame); at += 2 {
		code = append(code, asm.StoreImm(asm.R6, int16(at), int64(binary.NativeEndian.Uint16(k.Frame[at:])), asm.Half))
	}
	for _, d := range k.Draws {
		code = append(code, d.instructions()...)
	}
	return append(code,
		asm.LoadMapValue(asm.R1, counter, 0),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R1, int32(ifindex)),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpAborted).WithSymbol("short"),
		asm.Return(),
	)
}

func (d Draw) instructions() asm.Instructions {
	code := asm.Instructions{
		asm.FnGetPrandomU32.Call(),
		asm.Or.Imm(asm.R0, 1),
		asm.StoreMem(asm.R6, int16(d.Word), asm.R0, asm.Half),
		asm.Xor.Imm(asm.R0, -1),
	}
	for _, at := range d.Complement {
		code = append(code, asm.StoreMem(asm.R6, int16(at), asm.R0, asm.Half))
	}
	return code
}
