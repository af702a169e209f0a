"""The names of the expression language: what a source may mention, and what it may not.

The JavaScript files in `js/` define what these names mean; a test compares both sides.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SCOPE_NAMES = _words(
    """$ $json $data $binary $item $thisItem $itemIndex $thisItemIndex $position $runIndex
    $thisRunIndex $items $input $node $prevNode $parameter $rawParameter $executionId $mode
    $nodeId $nodeVersion $self $getPairedItem $fromAI $fromAi $fromai
    $now $today $run $execution $workflow $vars $env DateTime Duration Interval $average $if
    $ifEmpty $jmesPath $jmespath $max $min $not average max min not numberList zip"""
)
"""What `js/scope.js` offers to expressions."""

CODE_NAMES = SCOPE_NAMES | {"item", "items"}
"""What it offers to code."""

ITEM_NAMES = _words(
    """$json $data $binary $item $thisItem $itemIndex $thisItemIndex $position $node $fromAI $fromAi
    $fromai"""
)
"""Names whose value differs from item to item."""

INPUT_NAMES = _words("$json $data $binary $item $thisItem $items $input $fromAI $fromAi $fromai")
"""Names that need the input items."""

GLOBAL_NAMES = _words(
    """Object Array String Number Boolean Symbol BigInt Math JSON Date RegExp Map Set WeakMap
    WeakSet Error EvalError RangeError ReferenceError SyntaxError TypeError URIError
    AggregateError Intl Iterator ArrayBuffer SharedArrayBuffer DataView Atomics Int8Array
    Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array
    Float64Array BigInt64Array BigUint64Array isFinite isNaN parseFloat parseInt encodeURI
    encodeURIComponent decodeURI decodeURIComponent NaN Infinity undefined"""
)
"""JavaScript's own names that an expression may use."""

INERT_NAMES = _words(
    """eval Function GeneratorFunction AsyncFunction AsyncGeneratorFunction Generator
    AsyncGenerator Promise Proxy Reflect WebAssembly globalThis global window Window self
    document process require module Buffer fetch XMLHttpRequest alert prompt confirm uneval
    escape unescape setTimeout setInterval setImmediate"""
)
"""Names of a host's world. They are there, so that probing them is harmless, and empty."""

FORBIDDEN_KEYS = _words(
    """__proto__ prototype constructor caller callee arguments mainModule binding _linkedBinding
    _load prepareStackTrace execve loadEnvFile __lookupGetter__ __lookupSetter__
    __defineGetter__ __defineSetter__ getPrototypeOf setPrototypeOf getOwnPropertyDescriptor
    getOwnPropertyDescriptors defineProperty defineProperties dlopen getBuiltinModule"""
)
"""Properties that open the inside of objects."""

NATIVE_METHODS = _words(
    """anchor apply at big bind blink bold call charAt charCodeAt codePointAt concat copyWithin
    endsWith entries every fill filter find findIndex findLast findLastIndex fixed flat flatMap
    fontcolor fontsize forEach hasOwnProperty includes indexOf isPrototypeOf isWellFormed
    italics join keys lastIndexOf link localeCompare map match matchAll normalize padEnd
    padStart pop propertyIsEnumerable push reduce reduceRight repeat replace replaceAll reverse
    search shift slice small some sort splice split startsWith strike sub substr substring sup
    toExponential toFixed toLocaleLowerCase toLocaleString toLocaleUpperCase toLowerCase
    toPrecision toReversed toSorted toSpliced toString toUpperCase toWellFormed trim trimEnd
    trimLeft trimRight trimStart unshift valueOf values with"""
)
"""Methods that values of JSON have by themselves in JavaScript, besides forbidden ones."""

MUTATORS = _words("sort reverse push pop shift unshift splice fill copyWithin assign set delete")
"""Methods that may change the data they are called on."""

METHODS = _words(
    """abs append average base64Decode base64Encode beginningOf ceil chunk compact diffTo diffToNow
    difference endOfMonth extract extractDomain extractEmail extractUrl extractUrlPath first
    floor format hasField hash inBetween intersection isBetween isBlank isDomain isDst isEmail
    isEmpty isEven isInLast isInteger isNotBlank isNotEmpty isNumeric isOdd isUrl isWeekend
    keepFieldsContaining keys last length max merge mergeIntoObject min minus parseJson pluck
    plus quote randomItem removeDuplicates removeField removeFieldsContaining removeMarkdown
    removeTags renameKeys replaceSpecialChars round smartJoin sum toBoolean toDate toDateTime
    toDecimalNumber toFloat toInt toJsonString toNumber toSentenceCase toSnakeCase toTitleCase
    toWholeNumber union unique urlDecode urlEncode values"""
)
"""The helper methods; a call by one of these names looks for a helper first."""
