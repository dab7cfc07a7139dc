package control

import _ "embed"

//go:embed api.yaml
var reference string

// Reference is the description of every call, as an OpenAPI 3 document.
func Reference() string { return reference }
