// The face of labels.
export { readLabel, splitLabels } from './read.ts'
export { EXAMPLES, LONGEST_LABEL, type Label, type LabelFault, type LabelReading, type Reading } from './types.ts'
