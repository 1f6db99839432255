package gitsandbox_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/e2b"
)

// tampered is a Transport whose sandboxes answer what the agent likes: it is
// root there.
type tampered struct {
	e2b.Transport

	mu   sync.Mutex
	exec execHook
}

type execHook func(ctx context.Context, sb e2b.Sandbox, cmd *e2b.Command) (*e2b.ExecResult, error)

func (t *tampered) hook(h execHook) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.exec = h
}

func (t *tampered) wrap(sb e2b.Sandbox, err error) (e2b.Sandbox, error) {
	if err != nil {
		return nil, err
	}
	return &tamperedSandbox{sb, t}, nil
}

func (t *tampered) Create(ctx context.Context, o *e2b.CreateOptions) (e2b.Sandbox, error) {
	return t.wrap(t.Transport.Create(ctx, o))
}

func (t *tampered) Connect(ctx context.Context, id string, o *e2b.ConnectOptions) (e2b.Sandbox, error) {
	return t.wrap(t.Transport.Connect(ctx, id, o))
}

type tamperedSandbox struct {
	e2b.Sandbox
	t *tampered
}

func (s *tamperedSandbox) Exec(ctx context.Context, cmd *e2b.Command) (*e2b.ExecResult, error) {
	s.t.mu.Lock()
	h := s.t.exec
	s.t.mu.Unlock()
	if h == nil {
		return s.Sandbox.Exec(ctx, cmd)
	}
	return h(ctx, s.Sandbox, cmd)
}

// printing runs nothing and prints out.
func printing(exitCode int, out []byte) execHook {
	return func(_ context.Context, _ e2b.Sandbox, cmd *e2b.Command) (*e2b.ExecResult, error) {
		res := &e2b.ExecResult{ExitCode: exitCode, Ended: e2b.EndedByItself}
		if cmd.Stdout == nil {
			if limit := int(cmd.MaxOutput); len(out) > limit {
				out, res.Truncated = out[:limit], true
			}
			res.Stdout = out
			return res, nil
		}
		for rest := out; len(rest) > 0; {
			n, err := cmd.Stdout.Write(rest[:min(len(rest), 32<<10)])
			if err != nil {
				return nil, err
			}
			rest = rest[n:]
		}
		return res, nil
	}
}

// rewriting runs the command and prints what fn makes of its output.
func rewriting(fn func(out []byte) []byte) execHook {
	return func(ctx context.Context, sb e2b.Sandbox, cmd *e2b.Command) (*e2b.ExecResult, error) {
		run := *cmd
		var buf bytes.Buffer
		run.Stdout = &buf
		res, err := sb.Exec(ctx, &run)
		if err != nil {
			return nil, err
		}
		return printing(res.ExitCode, fn(buf.Bytes()))(ctx, sb, cmd)
	}
}

// victim is a world with a Client whose sandbox can lie, and an agent branch
// that was pushed once.
type victim struct {
	*world
	tampered *tampered
	s        *gitsandbox.Sandbox
	pushed   gitsandbox.Hash
	tree     string // of pushed
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	w := newWorld(t, nil)
	w.commit("main", "CI", map[string]string{".github/workflows/ci.yml": "on: push\n", ".github/other": "x\n", "src/a.go": "package a\n"})
	tr := &tampered{Transport: w.sandboxes}
	c, err := gitsandbox.New(tr, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(w.remote.Host(), token), Retry: gitsandbox.Backoff{Base: 1, Max: 1},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s, err := c.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	v := &victim{world: w, tampered: tr, s: s}
	w.write(s, "work.txt", "1\n")
	res, err := s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Work"})
	require.NoError(t, err)
	v.pushed, v.tree = res.Commit, v.ask("rev-parse", string(res.Commit)+"^{tree}")
	return v
}

// ask runs git in the repository of the remote and returns what it prints.
func (w *world) ask(args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "git", append([]string{"--git-dir=" + w.remote.Dir("shop")}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.Output()
	require.NoError(w.t, err, "git %v", args)
	return strings.TrimSpace(string(out))
}

// honest checks that the sandbox can still be used and pushed.
func (v *victim) honest() {
	v.t.Helper()
	v.tampered.hook(nil)
	v.write(v.s, "honest.txt", "honest\n")
	res, err := v.s.Push(v.t.Context(), &gitsandbox.PushOptions{Message: "Honest"})
	require.NoError(v.t, err)
	assert.Equal(v.t, gitsandbox.PushPublished, res.Outcome)
	assert.Equal(v.t, "honest\n", v.file(v.s.Branch(), "honest.txt"))
}

// object is a git object.
type object struct {
	kind byte // as in a pack: 1 commit, 2 tree, 3 blob, 4 tag
	data []byte
}

func (o object) id() string {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00%s", []string{"", "commit", "tree", "blob", "tag"}[o.kind], len(o.data), o.data)
	return hex.EncodeToString(h.Sum(nil))
}

func blobOf(s string) object { return object{3, []byte(s)} }

// treeOf makes a tree of "MODE NAME ID" entries, in the order in which they
// are given.
func treeOf(entries ...string) object {
	var b []byte
	for _, e := range entries {
		mode, rest, _ := strings.Cut(e, " ")
		i := strings.LastIndexByte(rest, ' ')
		id, err := hex.DecodeString(rest[i+1:])
		if err != nil {
			panic(err)
		}
		b = append(b, mode+" "+rest[:i]+"\x00"...)
		b = append(b, id...)
	}
	return object{2, b}
}

func commitOf(tree string, parents ...string) object {
	var b strings.Builder
	b.WriteString("tree " + tree + "\n")
	for _, p := range parents {
		b.WriteString("parent " + p + "\n")
	}
	return object{1, []byte(b.String() + "author A <a@x> 1700000000 +0000\ncommitter A <a@x> 1700000000 +0000\n\nm\n")}
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

func packHeader(kind byte, size int) []byte {
	b := []byte{kind<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		b[len(b)-1] |= 0x80
		b = append(b, byte(size&0x7f))
	}
	return b
}

// seal makes a pack of entries that are encoded already.
func seal(count int, entries ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32(append([]byte("PACK"), 0, 0, 0, 2), uint32(count))
	for _, e := range entries {
		b = append(b, e...)
	}
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

func packOf(objects ...object) []byte {
	var entries [][]byte
	for _, o := range objects {
		entries = append(entries, append(packHeader(o.kind, len(o.data)), deflate(o.data)...))
	}
	return seal(len(objects), entries...)
}

// packed is what a push step prints.
func packed(head string, pack []byte) []byte {
	return []byte("packed\x00agent-a-t\x00" + head + "\x000\x00\x00\x00proofs\x000\x00pack\x00" + string(pack))
}

func TestPacksThatLie(t *testing.T) {
	t.Parallel()
	evil := blobOf("on: push\nenv: {S: '${{ secrets.ALL }}'}\n")
	none := strings.Repeat("7", 40)
	type attack struct {
		rule string // of the policy; empty for another error
		err  error
		out  func(v *victim) []byte
	}
	// child is a commit on top of what was pushed, whose tree is made of
	// entries, with what else the pack needs.
	child := func(v *victim, more []object, entries ...string) []byte {
		tree := treeOf(entries...)
		c := commitOf(tree.id(), string(v.pushed))
		return packed(c.id(), packOf(append(more, tree, c)...))
	}
	// The trees of the remote, by which an honest pack goes on.
	github := func(v *victim) string { return "40000 .github " + v.ask("rev-parse", string(v.pushed)+":.github") }
	workflows := func(v *victim) string {
		return "40000 workflows " + v.ask("rev-parse", string(v.pushed)+":.github/workflows")
	}
	readme := func(v *victim) string { return "100644 README.md " + v.ask("rev-parse", string(v.pushed)+":README.md") }
	flows := treeOf("100644 ci.yml " + evil.id())
	hub := treeOf("40000 workflows " + flows.id())
	protected := func(entries func(v *victim) []string, more ...object) attack {
		return attack{rule: "protected_path", out: func(v *victim) []byte { return child(v, more, entries(v)...) }}
	}
	malformed := func(out func(v *victim) []byte) attack { return attack{rule: "malformed", out: out} }
	honestChild := func(v *victim) object { return commitOf(v.tree, string(v.pushed)) }

	for name, a := range map[string]attack{
		"foreign parent": {rule: "foreign_object", out: func(v *victim) []byte {
			c := commitOf(v.tree, string(v.pushed), none)
			return packed(c.id(), packOf(c))
		}},
		"parent that the remote hides": {rule: "foreign_object", out: func(v *victim) []byte {
			c := commitOf(v.tree, string(v.pushed), string(v.commit("secret", "Secret", map[string]string{"s": "s"})))
			return packed(c.id(), packOf(c))
		}},
		"head that is nowhere": {rule: "foreign_object", out: func(v *victim) []byte { return packed(none, packOf(honestChild(v))) }},
		"head without a pack": {rule: "foreign_object", out: func(*victim) []byte {
			return []byte("packed\x00b\x00" + none + "\x000\x00\x00\x00proofs\x000\x00none\x00end\x00")
		}},
		"head that is a tree": {rule: "foreign_object", out: func(v *victim) []byte { tr := treeOf(readme(v)); return packed(tr.id(), packOf(tr)) }},
		"hidden head, no pack": {rule: "foreign_object", out: func(v *victim) []byte {
			id := string(v.commit("secret", "Secret", map[string]string{"s": "s"}))
			return []byte("packed\x00b\x00" + id + "\x000\x00\x00\x00proofs\x000\x00none\x00end\x00")
		}},
		"missing commit": {rule: "foreign_object", out: func(v *victim) []byte {
			middle := honestChild(v)
			c := commitOf(v.tree, middle.id())
			return packed(c.id(), packOf(c))
		}},
		"not a fast-forward": {err: gitsandbox.ErrPushRejected, out: func(v *victim) []byte {
			c := commitOf(v.ask("rev-parse", "main^{tree}"), string(v.tip("main")))
			return packed(c.id(), packOf(c))
		}},
		"back to the base, no pack": {err: gitsandbox.ErrPushRejected, out: func(v *victim) []byte {
			return []byte("packed\x00b\x00" + string(v.tip("main")) + "\x000\x00\x00\x00proofs\x000\x00none\x00end\x00")
		}},
		"no history": {err: gitsandbox.ErrPushRejected, out: func(v *victim) []byte {
			c := commitOf(v.tree)
			return packed(c.id(), packOf(c))
		}},

		"tree that is not in the pack": {rule: "protected_path", out: func(v *victim) []byte {
			c := commitOf(none, string(v.pushed))
			return packed(c.id(), packOf(c))
		}},
		"workflow is changed": protected(func(*victim) []string { return []string{"40000 .github " + hub.id()} }, evil, flows, hub),
		"workflow is removed": protected(func(v *victim) []string { return []string{readme(v)} }),
		"workflow by case": protected(func(v *victim) []string {
			return []string{"40000 .GitHub " + hub.id(), github(v)}
		}, evil, flows, hub),
		"workflows by case": {rule: "protected_path", out: func(v *victim) []byte {
			h := treeOf("40000 Workflows "+flows.id(), workflows(v))
			return child(v, []object{evil, flows, h}, "40000 .github "+h.id())
		}},
		"workflow as a Kelvin sign": {rule: "protected_path", out: func(v *victim) []byte {
			h := treeOf(workflows(v), "40000 wor\u212aflows "+flows.id())
			return child(v, []object{evil, flows, h}, "40000 .github "+h.id())
		}},
		"directory with a dot": protected(func(v *victim) []string {
			return []string{"40000 .github. " + hub.id(), github(v)}
		}, evil, flows, hub),
		"short name": protected(func(v *victim) []string {
			return []string{github(v), "40000 GITHUB~1 " + hub.id()}
		}, evil, flows, hub),
		"invisible character": protected(func(v *victim) []string {
			return []string{github(v), "40000 .github\u200c " + hub.id()}
		}, evil, flows, hub),
		"directory that is a link": protected(func(*victim) []string {
			return []string{"120000 .github " + blobOf("src").id()}
		}, blobOf("src")),
		"workflows that are a link": {rule: "protected_path", out: func(v *victim) []byte {
			h := treeOf("120000 workflows " + blobOf("../src").id())
			return child(v, []object{blobOf("../src"), h}, "40000 .github "+h.id())
		}},
		"workflows that are a submodule": {rule: "protected_path", out: func(v *victim) []byte {
			h := treeOf("160000 workflows " + none)
			return child(v, []object{h}, "40000 .github "+h.id())
		}},
		"submodules": protected(func(v *victim) []string {
			return []string{github(v), "100644 .gitmodules " + evil.id()}
		}, evil),
		"code owners": protected(func(v *victim) []string {
			return []string{github(v), "100644 CODEOWNERS " + evil.id()}
		}, evil),
		"workflow in a commit between": {rule: "protected_path", out: func(v *victim) []byte {
			tree := treeOf("40000 .github " + hub.id())
			one := commitOf(tree.id(), string(v.pushed))
			two := commitOf(v.tree, one.id())
			return packed(two.id(), packOf(evil, flows, hub, tree, one, two))
		}},
		"workflow in a merged branch": {rule: "protected_path", out: func(v *victim) []byte {
			tree := treeOf("40000 .github " + hub.id())
			side := commitOf(tree.id(), string(v.tip("main")))
			merge := commitOf(v.tree, string(v.pushed), side.id())
			return packed(merge.id(), packOf(evil, flows, hub, tree, side, merge))
		}},
		"workflow in a merge": {rule: "protected_path", out: func(v *victim) []byte {
			tree := treeOf("40000 .github " + hub.id())
			merge := commitOf(tree.id(), string(v.pushed), string(v.tip("main")))
			return packed(merge.id(), packOf(evil, flows, hub, tree, merge))
		}},

		"entry .git":  malformed(func(v *victim) []byte { return child(v, []object{evil}, "100644 .git "+evil.id(), github(v)) }),
		"entry .GIT":  malformed(func(v *victim) []byte { return child(v, []object{flows, evil}, "40000 .GIT "+flows.id(), github(v)) }),
		"entry git~1": malformed(func(v *victim) []byte { return child(v, []object{flows, evil}, github(v), "40000 git~1 "+flows.id()) }),
		"entry .g\\u200cit": malformed(func(v *victim) []byte {
			return child(v, []object{flows, evil}, "40000 .g\u200cit "+flows.id(), github(v))
		}),
		"entry with a slash": malformed(func(v *victim) []byte { return child(v, []object{evil}, github(v), "100644 a/b "+evil.id()) }),
		"entry ..":           malformed(func(v *victim) []byte { return child(v, []object{flows, evil}, "40000 .. "+flows.id(), github(v)) }),
		"entry twice": malformed(func(v *victim) []byte {
			return child(v, []object{evil}, github(v), "100644 a "+evil.id(), "100644 a "+evil.id())
		}),
		"entries out of order": malformed(func(v *victim) []byte { return child(v, []object{evil}, "100644 b "+evil.id(), github(v)) }),
		"entry of odd mode":    malformed(func(v *victim) []byte { return child(v, []object{evil}, github(v), "100777 b "+evil.id()) }),
		".git below": malformed(func(v *victim) []byte {
			d := treeOf("40000 .git " + flows.id())
			return child(v, []object{evil, flows, d}, github(v), "40000 d "+d.id())
		}),

		"delta": malformed(func(v *victim) []byte {
			c := honestChild(v)
			entry := append(packHeader(7, 4), bytes.Repeat([]byte{1}, 20)...)
			return packed(c.id(), seal(1, append(entry, deflate([]byte{1, 1, 0x90, 1})...)))
		}),
		"offset delta": malformed(func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), seal(1, append(append(packHeader(6, 4), 12), deflate([]byte{1, 1, 0x90, 1})...)))
		}),
		"tag": malformed(func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), packOf(c, object{4, []byte("object " + c.id() + "\ntype commit\ntag x\n\n")}))
		}),
		"longer than it says": malformed(func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), seal(1, append(packHeader(3, 10), deflate(make([]byte, 64<<20))...)))
		}),
		"shorter than it says": malformed(func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), seal(1, append(packHeader(3, 10), deflate([]byte("x"))...)))
		}),
		"not compressed": malformed(func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), seal(1, append(packHeader(3, 10), "0123456789"...)))
		}),
		"wrong checksum": malformed(func(v *victim) []byte {
			c := honestChild(v)
			p := packOf(c)
			p[len(p)-1] ^= 1
			return packed(c.id(), p)
		}),
		"junk at the end": malformed(func(v *victim) []byte { c := honestChild(v); return packed(c.id(), append(packOf(c), "junk"...)) }),
		"second pack":     malformed(func(v *victim) []byte { c := honestChild(v); return packed(c.id(), append(packOf(c), packOf(c)...)) }),
		"no pack": malformed(func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), []byte("a pack, honestly, it is one"))
		}),
		"commit with no tree": malformed(func(*victim) []byte { c := object{1, []byte("hello\n")}; return packed(c.id(), packOf(c)) }),
		"commit with a late parent": malformed(func(v *victim) []byte {
			c := object{1, []byte("tree " + v.tree + "\nparent " + string(v.pushed) + "\nauthor A <a@x> 1 +0000\nparent " + none + "\ncommitter A <a@x> 1 +0000\n\nm\n")}
			return packed(c.id(), packOf(c))
		}),
		"too many objects": {rule: "size", out: func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), append([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"), packOf(c)[12:]...))
		}},
		"object of 8 GiB": {rule: "size", out: func(v *victim) []byte {
			c := honestChild(v)
			return packed(c.id(), seal(1, append(packHeader(3, 8<<30), deflate([]byte("x"))...)))
		}},
		"commit of 40 MiB": {rule: "size", out: func(v *victim) []byte {
			c := honestChild(v)
			c.data = append(c.data, bytes.Repeat([]byte("x"), 40<<20)...)
			return packed(c.id(), packOf(c))
		}},

		"cut in the header": {err: gitsandbox.ErrProtocol, out: func(v *victim) []byte { c := honestChild(v); return packed(c.id(), packOf(c))[:60] }},
		"cut in the pack":   {err: gitsandbox.ErrProtocol, out: func(v *victim) []byte { c := honestChild(v); p := packed(c.id(), packOf(c)); return p[:len(p)-25] }},
		"cut in the sum":    {err: gitsandbox.ErrProtocol, out: func(v *victim) []byte { c := honestChild(v); p := packed(c.id(), packOf(c)); return p[:len(p)-5] }},
		"nothing":           {err: gitsandbox.ErrProtocol, out: func(*victim) []byte { return nil }},
		"no object ID":      {err: gitsandbox.ErrProtocol, out: func(v *victim) []byte { return packed("HEAD", packOf(honestChild(v))) }},
		"zero object ID":    {err: nil, out: func(v *victim) []byte { return packed(strings.Repeat("0", 40), packOf(honestChild(v))) }},
		"many proofs": {err: gitsandbox.ErrProtocol, out: func(*victim) []byte {
			return []byte("packed\x00b\x00" + none + "\x000\x00\x00\x00proofs\x002000000000\x00")
		}},
		"large proof": {err: gitsandbox.ErrProtocol, out: func(*victim) []byte {
			return []byte("packed\x00b\x00" + none + "\x000\x00\x00\x00proofs\x001\x00" + none + " tree 2000000000\n")
		}},
		"outcome of another step": {err: gitsandbox.ErrProtocol, out: func(v *victim) []byte {
			return []byte("committed\x00b\x00" + string(v.pushed) + "\x00" + v.tree + "\x00\x00end\x00")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVictim(t)
			branches, err := v.remote.Branches("shop")
			require.NoError(t, err)
			v.tampered.hook(printing(0, a.out(v)))
			v.remote.ResetRequests()
			_, err = v.s.Push(t.Context(), &gitsandbox.PushOptions{NoRebase: true})
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "\n")
			if a.rule != "" {
				p, ok := errors.AsType[*gitsandbox.PolicyError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, a.rule, p.Rule, "%v", err)
				require.ErrorIs(t, err, gitsandbox.ErrPolicy)
			}
			if a.err != nil {
				require.ErrorIs(t, err, a.err)
			}
			assert.False(t, gitsandbox.Retryable(err), "%v", err)
			for _, r := range v.remote.Requests() {
				assert.NotEqual(t, "push", r.Operation, "the remote must not see any of it")
			}
			after, err := v.remote.Branches("shop")
			require.NoError(t, err)
			delete(after, "secret")
			delete(branches, "secret")
			assert.Equal(t, branches, after)
			v.honest()
		})
	}
}

// A forged proof could make the host believe in other protected paths.
func TestForgedProofsAreRefused(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(out []byte) []byte{
		"none": func(out []byte) []byte {
			before, rest, _ := bytes.Cut(out, []byte("proofs\x00"))
			_, pack, ok := bytes.Cut(rest, []byte("pack\x00PACK"))
			if !ok {
				return out
			}
			return []byte(string(before) + "proofs\x000\x00pack\x00PACK" + string(pack))
		},
		"other content": func(out []byte) []byte {
			return bytes.Replace(out, []byte("100644 README.md"), []byte("100755 README.md"), 1)
		},
		"other tree": func(out []byte) []byte { return bytes.Replace(out, []byte("\ntree "), []byte("\ntree f"), 1) },
		"other type": func(out []byte) []byte { return bytes.Replace(out, []byte(" commit "), []byte(" tag "), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.commit("main", "CI", map[string]string{".github/workflows/ci.yml": "on: push\n"})
			tr := &tampered{Transport: w.sandboxes}
			c, err := gitsandbox.New(tr, &gitsandbox.Options{Credentials: gitsandbox.StaticToken(w.remote.Host(), token), Retry: gitsandbox.Backoff{Base: 1, Max: 1}})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })
			s, err := c.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
			require.NoError(t, err)
			w.write(s, "a.txt", "a\n")
			changed := false
			tr.hook(rewriting(func(out []byte) []byte {
				forged := forge(out)
				changed = changed || !bytes.Equal(forged, out)
				return forged
			}))
			_, err = s.Push(t.Context(), &gitsandbox.PushOptions{Message: "Add a"})
			require.Error(t, err)
			require.True(t, changed, "the attack did not take place")
			_, err = w.remote.Ref("shop", "refs/heads/agent-a-t")
			require.Error(t, err, "nothing was published")
			tr.hook(nil)
			_, err = s.Push(t.Context(), nil)
			require.NoError(t, err)
			assert.Equal(t, "a\n", w.file("agent-a-t", "a.txt"))
		})
	}
}

// steps are the operations that run a step, with what is theirs to say.
func steps(v *victim) map[string]func(context.Context) error {
	all := allOperations(v.world, nil, v.s)
	for _, name := range []string{"Clone", "Clone new", "Open", "Exec", "ReadFile", "WriteFile", "Kill", "Continue", "Abort", "Pull", "Fetch"} {
		delete(all, name)
	}
	return all
}

// Whatever a step prints, the host answers with an error, soon, and goes on.
func TestOutputThatIsNoStepsOutput(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	zero := strings.Repeat("0", 40)
	for what, hook := range map[string]execHook{
		"nothing":          printing(0, nil),
		"NULs":             printing(0, make([]byte, 1<<20)),
		"noise":            printing(0, bytes.Repeat([]byte("\xff\x00a\x00end\x00"), 10_000)),
		"end":              printing(0, []byte("end\x00")),
		"another's":        printing(0, []byte("position\x00b\x00"+zero+"\x00"+zero+"\x00end\x00extra")),
		"exit code 1":      printing(1, []byte("fatal: \x1b[2Jno\n")),
		"exit code 63":     printing(63, nil),
		"failure cut":      printing(68, []byte("fail\x00kept ")),
		"failure unheard":  printing(79, []byte("fail\x00\x00a\x00\x00end")),
		"exit code -1":     printing(-1, nil),
		"exit code large":  printing(1<<30, nil),
		"exit code 64 raw": printing(64, []byte("whatever")),
	} {
		v.tampered.hook(hook)
		for name, run := range steps(v) {
			err := run(t.Context())
			if !assert.Error(t, err, "%s: %s", what, name) {
				continue
			}
			assert.NotContains(t, err.Error(), "\x1b", "%s: %s", what, name)
			assert.NotContains(t, err.Error(), "\n", "%s: %s", what, name)
			assert.NotErrorIs(t, err, gitsandbox.ErrSandboxNotFound, "%s: %s: it lives", what, name)
		}
	}
	v.honest()
}

// A step that says that it kept a conflict, though none was to be kept, does
// not get the sandbox stuck.
func TestAConflictThatIsSaidToBeKept(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.commit("main", "News", map[string]string{"news.txt": "x\n"})
	v.tampered.hook(printing(68, []byte("fail\x00kept "+string(v.pushed)+"\x00work.txt\x00\x00end\x00")))
	_, err := v.s.Pull(t.Context(), nil)
	conflict, ok := errors.AsType[*gitsandbox.ConflictError](err)
	require.True(t, ok, "%v", err)
	assert.False(t, conflict.Kept, "the caller did not ask to keep it")
	v.tampered.hook(nil)
	v.write(v.s, "more.txt", "x\n")
	_, err = v.s.Push(t.Context(), &gitsandbox.PushOptions{Message: "More"})
	require.NotErrorIs(t, err, gitsandbox.ErrUnfinished)
}

// peak runs fn and returns the most that the heap grew meanwhile.
func peak(fn func()) uint64 {
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&now)
			most.Store(max(most.Load(), now.HeapAlloc))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return max(most.Load(), before.HeapAlloc) - before.HeapAlloc
}

// The largest output that a step can have, made of the smallest records, must
// not become many times its size in memory.
func TestGiantOutputIsBoundedInMemory(t *testing.T) { //nolint:paralleltest // it measures the heap
	v := newVictim(t)
	const size = 60 << 20
	fill := func(head, record, tail string) []byte {
		b := append(make([]byte, 0, size), head...)
		for len(b)+len(record)+len(tail) <= size {
			b = append(b, record...)
		}
		return append(b, tail...)
	}
	id := string(v.pushed)
	for name, c := range map[string]struct {
		exit int
		out  []byte
		run  func(context.Context) error
	}{
		"status":   {0, fill("status\x00b\x00"+id+"\x00\x00\x00\x00", "? a\x00", "end\x00"), steps(v)["Status"]},
		"branches": {0, fill("branches\x00b\x00\x00", id+"\x00refs/heads/a\x00\x00", "\x00\x00end\x00"), steps(v)["Branches"]},
		"failure":  {68, fill("fail\x00\x00", "a\x00", "\x00end\x00"), steps(v)["Commit"]},
		"log":      {0, fill("log\x00", "x\x00", "end\x00"), func(ctx context.Context) error { return logAll(ctx, v.s, nil) }},
		"paths":    {74, fill("fail\x00\x00", "ab\x00", "\x00end\x00"), steps(v)["Restore"]},
	} {
		v.tampered.hook(printing(c.exit, c.out))
		start := time.Now()
		grown := peak(func() { _ = c.run(t.Context()) })
		assert.Less(t, grown, uint64(512<<20), "%s: memory for %d bytes of output", name, len(c.out))
		assert.Less(t, time.Since(start), 30*time.Second, name)
	}
	// Streams are bounded by what is read at once.
	endless := func(head string, chunk []byte, total int) execHook {
		return func(_ context.Context, _ e2b.Sandbox, cmd *e2b.Command) (*e2b.ExecResult, error) {
			_, err := io.WriteString(cmd.Stdout, head)
			for n := 0; n < total && err == nil; n += len(chunk) {
				_, err = cmd.Stdout.Write(chunk)
			}
			return &e2b.ExecResult{Ended: e2b.EndedByItself}, err
		}
	}
	v.tampered.hook(endless("packed\x00", bytes.Repeat([]byte("x"), 1<<20), 1<<30))
	grown := peak(func() { _, err := v.s.Push(t.Context(), nil); require.Error(t, err) })
	assert.Less(t, grown, uint64(64<<20), "push header")
	v.honest()
}

// Output that does not end, and a command that does not either, end with the
// deadline of the operation.
func TestAStepThatNeverEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tr := &tampered{Transport: w.sandboxes}
	c, err := gitsandbox.New(tr, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(w.remote.Host(), token), Retry: gitsandbox.Backoff{Base: 1, Max: 1}, Timeout: 2 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	s, err := c.Clone(t.Context(), w.url, &gitsandbox.CloneOptions{AgentID: "a", TaskID: "t"})
	require.NoError(t, err)
	for name, script := range map[string]string{
		"silent":  "trap '' TERM; sleep 600",
		"endless": "yes",
		"binary":  "cat /dev/zero",
	} {
		tr.hook(func(ctx context.Context, sb e2b.Sandbox, cmd *e2b.Command) (*e2b.ExecResult, error) {
			run := *cmd
			run.Args = []string{"sh", "-c", script}
			return sb.Exec(ctx, &run)
		})
		for op, run := range map[string]func() error{
			"status": func() error { _, err := s.Status(t.Context(), nil); return err },
			"push":   func() error { _, err := s.Push(t.Context(), nil); return err },
			"log":    func() error { return logAll(t.Context(), s, nil) },
		} {
			start := time.Now()
			err := run()
			require.Error(t, err, "%s: %s", name, op)
			assert.Less(t, time.Since(start), 20*time.Second, "%s: %s", name, op)
			if name == "silent" {
				require.ErrorIs(t, err, gitsandbox.ErrTimeout, "%s: %s", name, op)
			}
		}
	}
	tr.hook(nil)
	_, err = s.Status(t.Context(), nil)
	require.NoError(t, err)
}
