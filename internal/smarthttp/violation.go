package smarthttp

import "strings"

// A Rule names what a pack must hold to.
type Rule string

// The rules.
const (
	// RuleMalformed: pack, object and proof are what git would write.
	RuleMalformed Rule = "malformed"

	// RuleLimit: nothing is larger than [PackLimits] allow.
	RuleLimit Rule = "limit"

	// RuleSelfContained: the pack holds whole objects, no deltas.
	RuleSelfContained Rule = "self-contained"

	// RuleTree: no tree has an entry that is unsafe to check out.
	RuleTree Rule = "tree"

	// RuleForeign: the history holds only commits that are in the pack or
	// known.
	RuleForeign Rule = "foreign-commit"

	// RuleFastForward: the history holds the old value of the ref.
	RuleFastForward Rule = "fast-forward"

	// RuleProtected: no commit changes a protected path.
	RuleProtected Rule = "protected-path"

	// RuleProof: a proof holds each object that it must, and no false one.
	RuleProof Rule = "proof"
)

// A Violation is a pack that may not be published, or a proof that does not
// hold.
type Violation struct { //nolint:errname // it is the finding of a check before it is an error
	Rule   Rule
	Commit string // the commit that breaks the rule, or empty
	Path   string // the path in it, or empty
	Detail string // what is wrong
}

// Error returns one line that names the rule, the path and the commit.
func (v *Violation) Error() string {
	var s strings.Builder
	s.WriteString(string(v.Rule))
	if v.Path != "" {
		s.WriteString(": " + quote(v.Path))
	}
	if v.Commit != "" {
		s.WriteString(" in commit " + quote(v.Commit))
	}
	return s.String() + ": " + v.Detail
}
