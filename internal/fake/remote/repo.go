package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Commit is a commit of a repository.
type Commit struct {
	ID          string
	Parents     []string
	Author      string
	AuthorEmail string
	Message     string
}

// command prepares git with an environment of its own. Dir is a repository, or
// empty.
func (r *Remote) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	if dir != "" {
		args = append([]string{"--git-dir=" + dir}, args...)
	}
	cmd := exec.CommandContext(ctx, r.git, args...) //nolint:gosec // no argument comes from a request
	cmd.Dir = r.dir
	cmd.Env = []string{
		"PATH=" + filepath.Dir(r.git) + ":/usr/local/bin:/usr/bin:/bin", "HOME=" + filepath.Join(r.dir, "home"),
		"LC_ALL=C", "TZ=UTC", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_NO_REPLACE_OBJECTS=1",
	}
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs git in a repository and returns what it prints.
func (r *Remote) run(repo, stdin string, args ...string) (string, error) {
	end, err := r.begin()
	if err != nil {
		return "", err
	}
	defer end()
	ctx, cancel := context.WithTimeout(r.ctx, r.opts.Timeout)
	defer cancel()
	dir := ""
	if repo != "" {
		if dir = r.Dir(repo); !r.exists(repo) {
			return "", fmt.Errorf("repository %q: %w", repo, fs.ErrNotExist)
		}
	}
	cmd := r.command(ctx, dir, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func (r *Remote) exists(repo string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repos[repo]
}

// CreateRepo makes a repository with one commit of the given files, or an empty
// one where there are none. A name is one or more parts of letters, digits and
// ".", "_" or "-", such as "owner/name".
func (r *Remote) CreateRepo(name string, files map[string]string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`).MatchString(name) ||
		strings.HasSuffix(name, ".git") || strings.Contains(name, "..") {
		return fmt.Errorf("name %q of a repository", name)
	}
	if r.exists(name) {
		return fmt.Errorf("repository %q: %w", name, fs.ErrExist)
	}
	dir := r.Dir(name)
	if _, err := r.run("", "", "init", "--quiet", "--bare", "--template=", "--initial-branch="+r.opts.DefaultBranch, "--", dir); err != nil {
		return err
	}
	// What GitHub allows, and no background work.
	config := "\n[http]\n\treceivepack = true\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = true\n" +
		"[receive]\n\tautogc = false\n[gc]\n\tauto = 0\n"
	if err := appendFile(filepath.Join(dir, "config"), config); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "hooks"), 0o755); err != nil { //nolint:gosec // as git makes it
		return err
	}
	for hook, script := range hooks() {
		if err := os.WriteFile(filepath.Join(dir, "hooks", hook), []byte(script), 0o755); err != nil { //nolint:gosec // a hook is executed
			return err
		}
	}
	r.mu.Lock()
	r.repos[name] = true
	r.mu.Unlock()
	if len(files) == 0 {
		return nil
	}
	_, err := r.Commit(name, r.opts.DefaultBranch, "Initial commit", files)
	return err
}

// Commit adds a commit to a branch as another developer, and returns its ID.
// Files are the contents of those that it adds or changes. A branch that does
// not exist begins at the default branch.
func (r *Remote) Commit(repo, branch, message string, files map[string]string) (string, error) {
	var changes strings.Builder
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&changes, "M 100644 inline %s\ndata %d\n%s\n", quotePath(path), len(files[path]), files[path])
	}
	return r.commit(repo, branch, message, changes.String())
}

// Remove adds a commit to a branch that removes files or directories.
func (r *Remote) Remove(repo, branch, message string, paths ...string) (string, error) {
	var changes strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&changes, "D %s\n", quotePath(path))
	}
	return r.commit(repo, branch, message, changes.String())
}

// commit adds a commit with changes in the language of git fast-import.
func (r *Remote) commit(repo, branch, message, changes string) (string, error) {
	r.committing.Lock()
	defer r.committing.Unlock()
	ref := "refs/heads/" + branch
	from := ""
	for _, start := range []string{ref, "refs/heads/" + r.opts.DefaultBranch} {
		if id, err := r.Ref(repo, start); err == nil {
			from = "from " + id + "\n"
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	r.mu.Lock()
	r.clock = r.clock.Add(time.Second)
	now := r.clock.Unix()
	r.mu.Unlock()
	stream := fmt.Sprintf("commit %s\ncommitter Dev Eloper <dev@example.com> %d +0000\ndata %d\n%s\n%s%s\ndone\n",
		ref, now, len(message), message, from, changes)
	if _, err := r.run(repo, stream, "fast-import", "--quiet", "--done"); err != nil {
		return "", err
	}
	return r.Ref(repo, ref)
}

// quotePath writes a path as git fast-import reads it, whatever is in it.
func quotePath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// Ref returns the commit that a ref stands for, which is a full name or one
// that git completes. It is an fs.ErrNotExist where there is none.
func (r *Remote) Ref(repo, ref string) (string, error) {
	out, err := r.run(repo, "", "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return "", fmt.Errorf("ref %q: %w", ref, fs.ErrNotExist)
	}
	return strings.TrimSpace(out), err
}

// ReadFile returns a file as it is in the commit of a ref. It is an
// fs.ErrNotExist where there is none.
func (r *Remote) ReadFile(repo, ref, path string) (string, error) {
	id, err := r.Ref(repo, ref)
	if err != nil {
		return "", err
	}
	out, err := r.run(repo, "", "cat-file", "blob", id+":"+path)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 128 {
		return "", fmt.Errorf("file %q: %w", path, fs.ErrNotExist)
	}
	return out, err
}

// Log returns the commits that a ref leads to, newest first, at most 10000.
func (r *Remote) Log(repo, ref string) ([]Commit, error) {
	id, err := r.Ref(repo, ref)
	if err != nil {
		return nil, err
	}
	out, err := r.run(repo, "", "log", "-z", "--max-count=10000", "--format=%H%x1f%P%x1f%an%x1f%ae%x1f%B", id)
	if err != nil {
		return nil, err
	}
	var log []Commit
	for record := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		fields := strings.SplitN(record, "\x1f", 5)
		if len(fields) != 5 {
			return nil, fmt.Errorf("git log printed %q", record)
		}
		log = append(log, Commit{
			ID: fields[0], Parents: strings.Fields(fields[1]), Author: fields[2], AuthorEmail: fields[3],
			Message: strings.TrimRight(fields[4], "\n"),
		})
	}
	return log, nil
}

// Branches returns the branches of a repository and their commits.
func (r *Remote) Branches(repo string) (map[string]string, error) {
	out, err := r.run(repo, "", "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads")
	if err != nil {
		return nil, err
	}
	branches := make(map[string]string)
	for line := range strings.Lines(out) {
		id, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		branches[name] = id
	}
	return branches, nil
}

// DeleteBranch deletes a branch.
func (r *Remote) DeleteBranch(repo, branch string) error {
	_, err := r.run(repo, "", "update-ref", "-d", "refs/heads/"+branch)
	return err
}

func appendFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0) //nolint:gosec // in the directory of a repository of ours
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
