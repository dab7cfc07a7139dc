package arch

import "go/ast"

// usesTime tells whether a file calls time.NAME.
func usesTime(file *ast.File, name string) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != name {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == "time" {
			found = true
		}
		return true
	})
	return found
}
