//go:build linux

package kernel

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Fields of struct __sk_buff and bpf_sock: they stay the same in all kernels.
const (
	skbLen, skbProtocol, skbData, skbDataEnd, skbSock = 0, 16, 76, 80, 168

	sockPort = 44
	tcp      = 6
)

// egressHome is one way to know the sockets of one namespace.
type egressHome struct {
	name    string
	caveats []string
	only    func() (asm.Instructions, error) // packet in R6
}

// egressHomes lists them, the best first: newer kernels have the cheaper ones.
func egressHomes(t *types) []egressHome {
	return []egressHome{
		{name: "by cookie", only: onlyCookie}, // Linux 6.15
		{name: "by socket", only: func() (_ asm.Instructions, err error) { // Linux 5.9
			var own home
			err = t.find("a namespace", func() error {
				own, err = newHome(t)
				return err
			})
			return join(asm.Instructions{
				asm.LoadMem(asm.R1, asm.R6, skbSock, asm.DWord),
				asm.JEq.Imm(asm.R1, 0, "out"),
				asm.FnSkcToTcpSock.Call(),
				asm.JEq.Imm(asm.R0, 0, "out"),
			}, own.only(asm.R0)), err
		}},
		{
			name:    "of all",
			caveats: []string{"this kernel does not tell network namespaces apart: responses of containers on the same port count too"},
			only:    func() (asm.Instructions, error) { return nil, nil },
		},
	}
}

// onlyCookie compares the cookie of the packet's namespace with ours.
func onlyCookie() (asm.Instructions, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt SO_NETNS_COOKIE", err)
	}
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.FnGetNetnsCookie.Call(),
		asm.LoadImm(asm.R1, int64(cookie), asm.DWord),
		asm.JNE.Reg(asm.R0, asm.R1, "out"),
	}, nil
}

// attachEgress counts in the packets that leave the sockets of the whole
// machine.
func (h *HTTP) attachEgress(t *types, proc string) error {
	var root *os.File
	err := try("open the root of the cgroup v2 hierarchy", nil, func() (err error) {
		root, err = openCgroups(proc)
		return err
	})
	if err != nil {
		return err
	}
	defer root.Close()
	p, err := h.loadEgress(t)
	if err != nil {
		return err
	}
	return try("attach the program that sees packets", h.want, func() error {
		l, err := attachCgroup(p, root)
		if err == nil {
			h.keep(l)
		}
		return err
	})
}

// attachCgroup makes a link, which ends with this process. (link.AttachCgroup
// falls back to an attachment that outlives it.)
func attachCgroup(p *ebpf.Program, root *os.File) (link.Link, error) {
	return link.AttachRawLink(link.RawLinkOptions{
		Target: int(root.Fd()), Program: p, Attach: ebpf.AttachCGroupInetEgress,
	})
}

// loadEgress loads the best program that this kernel takes: to count what is
// ours alone comes first.
func (h *HTTP) loadEgress(t *types) (*ebpf.Program, error) {
	var errs []error
	for _, way := range egressHomes(t) {
		for _, deep := range []bool{true, false} {
			p, err := h.loadEgressWay(way, deep)
			if err == nil {
				return p, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errors.Join(errs...)
}

func (h *HTTP) loadEgressWay(way egressHome, deep bool) (*ebpf.Program, error) {
	var only asm.Instructions
	err := try("know the sockets of this network namespace "+way.name, nil, func() (err error) {
		only, err = way.only()
		return err
	})
	if err != nil {
		return nil, err
	}
	depth, caveats := "into", slices.Clone(way.caveats)
	if !deep {
		depth = "the beginning of"
		caveats = append(caveats, "of several responses in one packet only the first counts")
	}
	h.caveat = strings.Join(caveats, "; ")
	return h.load("load the program that sees "+depth+" packets, "+way.name, &ebpf.ProgramSpec{
		Name: "http_egress", Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress,
		Instructions: h.egressProgram(only, deep), License: "Dual MIT/GPL",
	})
}

// egressProgram always answers 1: 0 would drop the packet. The headers of a
// packet that leaves a local socket are in one piece; its payload is not, and is
// copied.
func (h *HTTP) egressProgram(only asm.Instructions, deep bool) asm.Instructions {
	w := walker{tables: &h.tables, deep: deep, answer: 1, read: asm.Instructions{
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.LoadMem(asm.R2, asm.R6, walkOffset, asm.DWord),
		asm.Add.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R3, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, walkFrom, asm.DWord),
		asm.FnSkbLoadBytes.Call(),
	}}
	return function("http_egress", btf.StaticFunc, join(asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, skbSock, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "out"),
		asm.LoadMem(asm.R8, asm.R1, sockPort, asm.Word),
		asm.JGT.Imm(asm.R8, 0xffff, "out"), // never; the verifier can't know
	},
		h.tables.toSlot(),
		only,
		toPayload(),
		emptyWindow(),
		asm.Instructions{
			asm.LoadMem(asm.R2, asm.R6, skbSock, asm.DWord),
			asm.JEq.Imm(asm.R2, 0, "out"),
		},
		h.tables.conn(),
		w.main()))
}

// emptyWindow writes the window once: older kernels let no helper write to a
// frame that was not.
func emptyWindow() asm.Instructions {
	all := asm.Instructions{asm.Mov.Imm(asm.R1, 0)}
	for at := int16(walkWindow); at < walkBytes; at += 8 {
		all = append(all, asm.StoreMem(asm.RFP, frameAt+at, asm.R1, asm.DWord))
	}
	return all
}

// toPayload says where in the stream and where in the packet its payload lies.
// It leaves where there is none.
func toPayload() asm.Instructions {
	at := func(field int16) int16 { return frameAt + field }
	return asm.Instructions{
		asm.LoadMem(asm.R2, asm.R6, skbData, asm.Word),
		asm.LoadMem(asm.R3, asm.R6, skbDataEnd, asm.Word),
		asm.LoadMem(asm.R4, asm.R6, skbProtocol, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R2),
		asm.Add.Imm(asm.R1, 40),
		asm.JGT.Reg(asm.R1, asm.R3, "out"),
		asm.JEq.Imm(asm.R4, networkOrder(unix.ETH_P_IPV6), "v6"),
		asm.JNE.Imm(asm.R4, networkOrder(unix.ETH_P_IP), "out"),
		asm.LoadMem(asm.R1, asm.R2, 9, asm.Byte),
		asm.JNE.Imm(asm.R1, tcp, "out"),
		asm.LoadMem(asm.R7, asm.R2, 0, asm.Byte),
		asm.And.Imm(asm.R7, 15),
		asm.LSh.Imm(asm.R7, 2),
		asm.Ja.Label("tcp"),
		asm.LoadMem(asm.R1, asm.R2, 6, asm.Byte).WithSymbol("v6"),
		asm.JNE.Imm(asm.R1, tcp, "out"),
		asm.Mov.Imm(asm.R7, 40),
		asm.Add.Reg(asm.R2, asm.R7).WithSymbol("tcp"),
		asm.Mov.Reg(asm.R1, asm.R2),
		asm.Add.Imm(asm.R1, 20),
		asm.JGT.Reg(asm.R1, asm.R3, "out"),
		load(asm.R8, asm.R2, 4), // sequence number
		asm.HostTo(asm.BE, asm.R8, asm.Word),
		asm.LoadMem(asm.R1, asm.R2, 12, asm.Byte), // length of the header in words
		asm.RSh.Imm(asm.R1, 4),
		asm.LSh.Imm(asm.R1, 2),
		asm.Add.Reg(asm.R7, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, skbLen, asm.Word),
		asm.JLE.Reg(asm.R1, asm.R7, "out"),
		asm.Sub.Reg(asm.R1, asm.R7),
		asm.Add.Reg32(asm.R1, asm.R8),
		store(asm.RFP, at(walkPart), asm.R8),
		store(asm.RFP, at(walkPartTo), asm.R1),
		store(asm.RFP, at(walkTo), asm.R1),
		asm.StoreMem(asm.RFP, at(walkFrom), asm.R6, asm.DWord),
		asm.StoreMem(asm.RFP, at(walkOffset), asm.R7, asm.DWord),
		asm.Mov.Imm(asm.R1, 0),
		store(asm.RFP, at(walkParts), asm.R1),
	}
}

func networkOrder(v uint16) int32 { return int32(v>>8 | v<<8) }
