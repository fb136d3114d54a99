//go:build linux

package kernel

import (
	"errors"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Fields of struct __sk_buff, bpf_sock and bpf_tcp_sock, and values of their
// fields: they stay the same in all kernels.
const (
	skbLen, skbProtocol, skbData, skbDataEnd, skbSock = 0, 16, 76, 80, 168

	sockPort = 44
	sndNxt   = 20
	tcp      = 6
)

// egressHome is one way to know the sockets of one namespace.
type egressHome struct {
	name   string
	caveat string
	only   func() (asm.Instructions, error) // packet in R6, its socket in R1
}

// egressHomes lists them, the best first: newer kernels have the cheaper ones.
func egressHomes(t *types) []egressHome {
	return []egressHome{
		{name: "by cookie", only: onlyCookie}, // Linux 6.15
		{name: "by socket", only: func() (asm.Instructions, error) { // Linux 5.9
			own, err := newHome(t)
			return join(asm.Instructions{
				asm.FnSkcToTcpSock.Call(),
				asm.JEq.Imm(asm.R0, 0, "out"),
			}, own.only(asm.R0)), err
		}},
		{
			name:   "of all",
			caveat: "this kernel does not tell network namespaces apart: responses of containers on the same port count too",
			only:   func() (asm.Instructions, error) { return nil, nil },
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
	want := []right{capBPF, capNetAdmin}
	err := try("find the cgroup v2 directory", nil, func() (err error) {
		h.root, err = cgroupRoot(proc)
		return err
	})
	if err != nil {
		return err
	}
	p, err := h.loadEgress(t, want)
	if err != nil {
		return err
	}
	return try("attach the program that sees packets to "+h.root, want, func() error {
		l, err := attachCgroup(p, h.root)
		if err == nil {
			h.keep(l)
		}
		return err
	})
}

// attachCgroup makes a link, which ends with this process. (link.AttachCgroup
// falls back to an attachment that outlives it.)
func attachCgroup(p *ebpf.Program, root string) (link.Link, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return link.AttachRawLink(link.RawLinkOptions{
		Target: int(dir.Fd()), Program: p, Attach: ebpf.AttachCGroupInetEgress,
	})
}

// loadEgress loads the best program that this kernel takes.
func (h *HTTP) loadEgress(t *types, want []right) (*ebpf.Program, error) {
	var errs []error
	for _, way := range egressHomes(t) {
		var only asm.Instructions
		err := try("know the sockets of this network namespace "+way.name, nil, func() (err error) {
			only, err = way.only()
			return err
		})
		if err == nil {
			var p *ebpf.Program
			p, err = h.load("load the program that sees packets, "+way.name, want, t, &ebpf.ProgramSpec{
				Name: "http_egress", Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress,
				Instructions: h.egressProgram(only), License: "Dual MIT/GPL",
			})
			if err == nil {
				h.caveat = way.caveat
				return p, nil
			}
		}
		if r := new(Refusal); errors.As(err, &r) && len(r.Missing) > 0 {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// egressProgram always answers 1: 0 would drop the packet. The headers of a
// packet that leaves a local socket are in one piece; its payload is not, and is
// copied.
func (h *HTTP) egressProgram(only asm.Instructions) asm.Instructions {
	return join(asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, skbSock, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, "out"),
		asm.LoadMem(asm.R8, asm.R1, sockPort, asm.Word),
		asm.JGT.Imm(asm.R8, 0xffff, "out"), // never; the verifier can't know
	},
		h.tables.toSlot(),
		only,
		toPayload(),
		readPacket(),
		toClass(),
		onceOnly(),
		h.tables.count(),
		h.egressTime(),
		leave(1))
}

func (h *HTTP) egressTime() asm.Instructions {
	if h.tables.times == nil {
		return nil
	}
	return join(asm.Instructions{
		asm.LoadMem(asm.R6, asm.R6, skbSock, asm.DWord),
		asm.JEq.Imm(asm.R6, 0, "out"),
	}, h.tables.time())
}

// toPayload finds where the payload begins, in R7, and keeps the sequence
// number of its first byte on the stack. It leaves where there is none.
func toPayload() asm.Instructions {
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
		asm.LoadMem(asm.R1, asm.R2, 4, asm.Word), // sequence number
		asm.HostTo(asm.BE, asm.R1, asm.Word),
		asm.StoreMem(asm.RFP, argsAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R2, 12, asm.Byte), // length of the header in words
		asm.RSh.Imm(asm.R1, 4),
		asm.LSh.Imm(asm.R1, 2),
		asm.Add.Reg(asm.R7, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, skbLen, asm.Word),
		asm.JLE.Reg(asm.R1, asm.R7, "out"),
	}
}

func networkOrder(v uint16) int32 { return int32(v>>8 | v<<8) }

// readPacket copies the beginning of the payload to the stack; a payload that is
// shorter leaves it empty.
func readPacket() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, onStack, asm.R1, asm.DWord),
		asm.StoreMem(asm.RFP, onStack+8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, onStack),
		asm.Mov.Imm(asm.R4, beginning),
		asm.FnSkbLoadBytes.Call(),
	}
}

// onceOnly leaves where the packet was sent before: it then begins below the
// next sequence number, which moves only after new bytes have passed here.
func onceOnly() asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, skbSock, asm.DWord).WithSymbol("count"),
		asm.JEq.Imm(asm.R1, 0, "out"),
		asm.FnTcpSock.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, sndNxt, asm.Word),
		asm.LoadMem(asm.R2, asm.RFP, argsAt, asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, "out"),
	}
}
