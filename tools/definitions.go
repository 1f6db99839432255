package tools

// definitions returns all tools, in the order in which a model meets them.
func definitions() []*Tool {
	all := []*Tool{
		cloneTool(), statusTool(), diffTool(), logTool(), showTool(),
		pullTool(), commitTool(), pushTool(), resolveTool(), branchesTool(),
		readTool(), writeTool(), editTool(), listTool(), searchTool(),
		runTool(),
		sandboxListTool(), sandboxCloseTool(),
	}
	for _, t := range all {
		t.InputSchema = inputSchema(t.params)
	}
	return all
}

// The arguments that several tools have. Their descriptions are short, since a
// model reads each of them once for every tool.

func sandboxID() param {
	return param{name: "sandbox_id", kind: kindString, required: true, description: "From git_clone"}
}

func filesParam(description string) param {
	return param{name: "files", kind: kindStrings, description: description}
}

func maxTokens() param {
	return param{
		name: "max_tokens", kind: kindInteger, max: hardMaxTokens,
		description: "Where to cut the result",
	}
}

func keepConflicts() param {
	return param{
		name: "keep_conflicts", kind: kindBoolean,
		description: "Leave conflict markers in the files, for git_resolve. Default: nothing changes",
	}
}

// summaryFields are the fields that every structure ends with.
func summaryFields(fields ...field) []field {
	return append(fields,
		field{name: "summary", kind: kindString, description: "In words"},
		field{name: "next", kind: kindString, description: "Next call", optional: true},
	)
}
