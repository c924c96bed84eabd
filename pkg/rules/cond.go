package rules

import (
	"fmt"

	"github.com/sluice-lb/sluice/pkg/config"
)

// Cond is a compiled condition. The nil Cond always holds.
type Cond struct {
	unless bool
	any    [][]term
}

type term struct {
	not bool
	acl *acl
}

// acl holds the tests of one name, one of which must match.
type acl struct{ tests []test }

type test struct {
	expr  *Expr
	cast  config.SampleType
	match matcher // nil: the sample has to be there
}

// Cond compiles a condition; nil is a rule without one.
func (c *Compiler) Cond(cond *config.Condition) (*Cond, error) {
	if cond == nil {
		return nil, nil
	}
	out := &Cond{unless: cond.Unless}
	known := map[*config.ACL]*acl{}
	for _, all := range cond.Any {
		var terms []term
		for _, t := range all {
			if known[t.ACL] == nil {
				compiled, err := c.acl(t.ACL)
				if err != nil {
					return nil, err
				}
				known[t.ACL] = compiled
			}
			terms = append(terms, term{not: t.Not, acl: known[t.ACL]})
		}
		out.any = append(out.any, terms)
	}
	return out, nil
}

func (c *Compiler) acl(a *config.ACL) (*acl, error) {
	out := &acl{}
	for i := range a.Tests {
		t := &a.Tests[i]
		e, err := c.Expr(t.Expr)
		if err != nil {
			return nil, err
		}
		cast, m, err := newMatcher(t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Pos, err)
		}
		out.tests = append(out.tests, test{e, cast, m})
	}
	return out, nil
}

// Holds evaluates the condition. A test whose sample is not there does not match.
func (c *Cond) Holds(s *Stream) bool {
	if c == nil {
		return true
	}
	holds := len(c.any) == 0
	for _, all := range c.any {
		if holds = allHold(all, s); holds {
			break
		}
	}
	return holds != c.unless
}

func allHold(terms []term, s *Stream) bool {
	for _, t := range terms {
		if t.acl.matches(s) == t.not {
			return false
		}
	}
	return true
}

func (a *acl) matches(s *Stream) bool {
	for i := range a.tests {
		t := &a.tests[i]
		if t.expr.eval(s) && (t.match == nil || s.cast(t.cast) && t.match(s)) {
			return true
		}
	}
	return false
}
