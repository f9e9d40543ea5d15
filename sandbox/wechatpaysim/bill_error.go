package wechatpaysim

import "net/http"

const (
	codeStatementCreating = "STATEMENT_CREATING"
	codeNoStatement       = "NO_STATEMENT_EXIST"
)

func billRefused(name, value, issue string) *apiError {
	return &apiError{
		http.StatusBadRequest, codeInvalidRequest, "无效请求", "invalid request: " + name + ": " + issue, internalIllegalParameter,
		fieldDetail{Field: name, Value: value, Issue: issue, Location: "query"},
	}
}

func statementCreating() *apiError {
	return &apiError{http.StatusBadRequest, codeStatementCreating, "账单生成中，请稍后再试", "the bill is being made; ask from 10:00 of the next day", internalOther, nil}
}

func noStatement() *apiError {
	return &apiError{http.StatusBadRequest, codeNoStatement, "账单文件不存在", "there is no bill: nothing happened that day, or it is too long ago", internalOther, nil}
}
