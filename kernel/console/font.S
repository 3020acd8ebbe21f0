/* The console font, found and unpacked by tools/font at build time. */
.section .rodata
.global font_start
font_start:
.incbin FONT_FILE
.global font_end
font_end:
